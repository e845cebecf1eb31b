/* SPDX-License-Identifier: MIT
 *
 * See folder.h.
 */
#include "preload/output/folder.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/log.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/cpu/cpu.h"
#include "encoder/maps.h"
#include "preload/output/place.h"
#include "preload/output/symbolizer.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* ---- names ---- */

/* PPROF_NAME, or the last component of the main program's path, cut so that the rest of the name
 * has room. */
static void add_program(struct text *t, const struct maps *maps)
{
    if (config.name) {
        text_add(t, config.name);
        return;
    }
    const char *path = maps_count(maps) ? maps_text(maps, maps_mapping(maps, 1)->file) : "unknown";
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    text_add_n(t, base, strnlen(base, CONFIG_NAME_MAX));
}

/* A profile's name, escaped. A name for which a file's name has no room is cut, and a hash of it
 * (FNV-1a) is added, so that two profiles with the same beginning have two files. */
static void add_profile(struct text *t, const char *name)
{
    /* What may follow the last byte that is taken: the rest of its %XX, '~' and the hash, and the
     * longest ending. */
    enum { BEHIND = 2 + 17 + 11 };
    uint64_t hash = HASH_FNV_BEGIN;
    for (const char *p = name; *p; p++) {
        hash = hash_fnv(hash, (unsigned char)*p);
        if (t->len < FILE_NAME_MAX - BEHIND) {
            text_add_escaped(t, *p);
        } else if (p[1] == '\0') {
            text_add(t, "~");
            text_add_hex(t, hash);
        }
    }
}

static const char *const endings[FORM_COUNT] = {".pb.gz", ".txt", ".debug2.txt"};

static void file_name(char *buf, const struct folder *f, int number, const struct kind *k,
                      enum form form)
{
    struct text t = text_in(buf, FILE_NAME_MAX + 1);
    add_program(&t, f->maps);
    text_add(&t, ".");
    text_add_int(&t, f->pid, 0);
    text_add(&t, ".");
    text_add_int(&t, number, 3);
    text_add(&t, ".");
    add_profile(&t, kind_name(k));
    text_add(&t, endings[form]);
}

static bool number_is_free(const struct folder *f, int number)
{
    char name[FILE_NAME_MAX + 1];
    struct stat st;
    for (size_t i = 0; i < f->request->count; i++) {
        file_name(name, f, number, f->request->kinds[i], FORM_PROTOBUF);
        if (sys_call4(SYS_newfstatat, f->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            return false;
        }
    }
    return true;
}

/* ---- the folder ---- */

/* A process that was killed in the middle of a file has left it under its temporary name. */
static void remove_unfinished(struct folder *f)
{
    f->file.dir = f->dir;
    f->file.fd = -1;
    atomic_file_abandon(&f->file);
}

/* PPROF_KEEP: removes the oldest set, whose place in the ring the present one takes. If the
 * symboliser is at work on that set, no file comes back: it replaces files and makes no new ones.
 */
static void remove_oldest(struct folder *f)
{
    if (f->keep == 0) {
        return;
    }
    if (!f->kept && !(f->kept = arena_alloc((size_t)f->keep * sizeof *f->kept))) {
        return;
    }
    int *place = &f->kept[f->kept_count++ % f->keep];
    for (size_t i = 0; i < f->request->count && *place != 0; i++) {
        for (enum form form = FORM_PROTOBUF; form < FORM_COUNT; form++) {
            if (f->request->forms & 1U << form) {
                char name[FILE_NAME_MAX + 1];
                file_name(name, f, *place, f->request->kinds[i], form);
                sys_call3(SYS_unlinkat, f->dir, name, 0);
            }
        }
    }
    *place = f->number;
}

/* ---- the sink ---- */

static struct folder *folder_of(struct sink *s)
{
    return (struct folder *)s;
}

static int folder_open(struct sink *s, const struct request *r, const struct render_moment *m)
{
    struct folder *f = folder_of(s);
    f->request = r;
    f->maps = m->maps;
    f->used = 0;
    f->files = 0;
    f->dir = place_open(f->path);
    if (f->dir < 0) {
        log_error("no dump: cannot open the folder", f->path, f->dir);
        return f->dir;
    }
    f->bytes = r->count * FORM_COUNT * (FILE_NAME_MAX + 1);
    f->names = sys_map(f->bytes);
    if (!f->names) {
        log_error("no dump", "", -ENOMEM);
        sys_close(f->dir);
        return -ENOMEM;
    }
    remove_unfinished(f);
    f->number = f->last_number + 1;
    while (!number_is_free(f, f->number)) {
        f->number++;
    }
    if (f->last_number == 0 && f->number > 1) {
        /* This process has dumped before, under the program that it was before an exec. */
        cpu_start_is_known();
    }
    f->last_number = f->number;
    return 0;
}

static int failed(const struct folder *f, int err)
{
    if (err) {
        log_error("cannot write", f->names + f->used, err);
    }
    return err;
}

static int folder_begin(struct sink *s, const struct kind *k, enum form form,
                        struct byte_sink *bytes)
{
    struct folder *f = folder_of(s);
    char *name = f->names + f->used;
    if (f->stop && LOAD(f->stop)) {
        return -ECANCELED;
    }
    file_name(name, f, f->number, k, form);
    *bytes = (struct byte_sink){atomic_file_write, &f->file};
    return failed(f, atomic_file_open(&f->file, f->dir, name));
}

static int folder_end(struct sink *s, int error)
{
    struct folder *f = folder_of(s);
    char *name = f->names + f->used;
    int err = error ? error : atomic_file_commit(&f->file, name);
    atomic_file_abandon(&f->file); /* nothing if it is there */
    if (err == 0) {
        f->used += strlen(name) + 1;
        f->files++;
    }
    return failed(f, err);
}

static void folder_close(struct sink *s)
{
    struct folder *f = folder_of(s);
    if (f->files) {
        remove_oldest(f);
        symbolizer_queue(f->maps, f->path, f->names, f->used, f->files);
    }
    sys_unmap(f->names, f->bytes);
    sys_close(f->dir);
}

void folder_init(struct folder *f)
{
    f->sink = (struct sink){folder_open, folder_begin, folder_end, folder_close};
}

void folder_fork_child(struct folder *f)
{
    f->last_number = 0;
    f->file.temporary[0] = '\0';
    f->kept = NULL; /* its parent's sets are none of its own */
    f->kept_count = 0;
}
