/* SPDX-License-Identifier: MIT
 *
 * See predecessor.h. The files are those of this process's id. Among them may be some that have
 * their names, of this program or of another process that had the id: pprof-symbolize leaves such a
 * file as it is.
 */
#include "preload/output/predecessor.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/output/place.h"
#include "preload/output/symbolizer.h"

#include <string.h>

enum { NAMES_BYTES = 256 << 10, ENTRIES_BYTES = 32 << 10 };

struct entry { /* as getdents64 has it */
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    unsigned char type;
    char name[];
};

struct list {
    char *names;
    size_t used;
    int files;
};

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* "EXE.PID.NUMBER.PROFILE.pb.gz", or a text of it. id: ".PID." */
static bool is_own(const char *name, const char *id)
{
    const char *at = strstr(name, id);
    return at && at != name && (ends_with(at, ".pb.gz") || ends_with(at, ".txt"));
}

static void take(struct list *l, const char *name, const char *id)
{
    size_t n = strlen(name) + 1;
    if (name[0] != '.' && is_own(name, id) && l->used + n <= NAMES_BYTES) {
        memcpy(l->names + l->used, name, n);
        l->used += n;
        l->files++;
    }
}

static void read_folder(int dir, char *entries, struct list *l)
{
    char id[16];
    struct text t = text_in(id, sizeof id);
    text_add(&t, ".");
    text_add_int(&t, config.pid, 0);
    text_add(&t, ".");
    long got;
    while ((got = sys_call3(SYS_getdents64, dir, entries, ENTRIES_BYTES)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *e = (const struct entry *)(void *)(entries + at);
            take(l, e->name, id);
            at += e->bytes;
        }
    }
}

bool predecessor_waits(void)
{
    return LOAD(&config.left_raw);
}

void predecessor_queue(void)
{
    if (!predecessor_waits()) {
        return;
    }
    STORE(&config.left_raw, false);
    struct list l = {.names = sys_map(NAMES_BYTES)};
    char *entries = sys_map(ENTRIES_BYTES);
    struct maps *maps = maps_read(0);
    char path[PLACE_BYTES];
    int place = place_open(path);
    int dir = place >= 0 ? sys_openat(place, ".", O_RDONLY | O_DIRECTORY, 0) : place;
    if (l.names && entries && maps && dir >= 0) {
        read_folder(dir, entries, &l);
    }
    if (l.files) {
        symbolizer_queue(maps, path, l.names, l.used, l.files);
    }
    if (dir >= 0) {
        sys_close(dir);
    }
    if (place >= 0) {
        sys_close(place);
    }
    maps_free(maps);
    sys_unmap(entries, ENTRIES_BYTES);
    sys_unmap(l.names, NAMES_BYTES);
}

void predecessor_fork_child(void)
{
    config.left_raw = false;
}
