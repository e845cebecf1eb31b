/* SPDX-License-Identifier: MIT
 *
 * See dump.h. The order of things is the whole of the file: folder, number, and then for each
 * profile snapshot → encode → file. Everything is read from lock-free tables while the program
 * runs on.
 */
#include "preload/dump.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/kinds.h"
#include "encoder/atomic_file.h"
#include "encoder/encode.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/symbolizer.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static int last_number;

/* ---- names ---- */

/* The last component of the main program's path, as much of it as leaves room for the rest. */
static void add_program(struct text *t, const struct maps *maps)
{
    enum { MOST = 160 };
    const char *path = maps_count(maps) ? maps_text(maps, maps_mapping(maps, 1)->file) : "unknown";
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    text_add_n(t, base, strnlen(base, MOST));
}

/* "<exe>.<pid>.<NNN>.<profile>.pb.gz" */
static void file_name(char *buf, size_t size, const struct maps *maps, int pid, int number,
                      const char *profile)
{
    struct text t = text_in(buf, size);
    add_program(&t, maps);
    text_add(&t, ".");
    text_add_int(&t, pid, 0);
    text_add(&t, ".");
    text_add_int(&t, number, 3);
    text_add(&t, ".");
    text_add(&t, profile);
    text_add(&t, ".pb.gz");
}

static bool number_is_free(int dir, const struct maps *maps, int pid, int number)
{
    char name[FILE_NAME_MAX + 1];
    struct stat st;
    for (int i = 0; i < KIND_COUNT; i++) {
        file_name(name, sizeof name, maps, pid, number, kinds[i].shape.name);
        if (sys_call4(SYS_newfstatat, dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            return false;
        }
    }
    return true;
}

/* Opens the folder, making what is missing of its path. Descriptor or -errno. */
static int open_folder(void)
{
    char path[CONFIG_PATH_MAX];
    memcpy(path, config.out, sizeof path);
    int dir = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (dir != -ENOENT) {
        return dir;
    }
    for (char *p = path + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            sys_call2(SYS_mkdir, path, 0700); /* an existing one is what we want */
            *p = '/';
        }
    }
    sys_call2(SYS_mkdir, path, 0700);
    return sys_open(path, O_RDONLY | O_DIRECTORY, 0);
}

/* ---- one profile ---- */

static int write_profile(int dir, const char *name, const struct kind *kind,
                         const struct maps *maps, int64_t time)
{
    struct snapshot_sample *samples = NULL;
    size_t bytes = 0;
    struct snapshot snap = {.shape = &kind->shape, .period = kind->period(), .time_nanos = time};
    snap.duration_nanos = kind->duration ? kind->duration() : 0;
    snap.samples = kind->snapshot(&samples, &bytes);
    snap.sample = samples;

    struct atomic_file file;
    int err = atomic_file_open(&file, dir, name);
    if (err == 0) {
        struct byte_sink sink = {atomic_file_write, &file};
        err = encode(&snap, maps, &sink);
        err = err ? err : atomic_file_commit(&file, name);
        atomic_file_abandon(&file); /* nothing if it is there */
    }
    sys_unmap(samples, bytes);
    return err;
}

void dump_write(void)
{
    int64_t time = sys_clock_ns(CLOCK_REALTIME);
    int pid = config.pid; /* the program's, not the scribe's */
    struct maps *maps = maps_read(getauxval(AT_PHDR));
    int dir = open_folder();
    if (maps && dir >= 0) {
        char names[KIND_COUNT * (FILE_NAME_MAX + 1)];
        size_t used = 0;
        int files = 0;
        int number = last_number + 1;
        while (!number_is_free(dir, maps, pid, number)) {
            number++;
        }
        last_number = number;
        for (int i = 0; i < KIND_COUNT; i++) {
            char *name = names + used;
            file_name(name, FILE_NAME_MAX + 1, maps, pid, number, kinds[i].shape.name);
            if (kinds[i].enabled && write_profile(dir, name, &kinds[i], maps, time) == 0) {
                used += strlen(name) + 1;
                files++;
            }
        }
        uint32_t own = maps_find(maps, (uintptr_t)dump_write);
        if (own && files) {
            symbolizer_queue(maps_text(maps, maps_mapping(maps, own)->file), names, used, files);
        }
    }
    if (dir >= 0) {
        sys_close(dir);
    }
    maps_free(maps);
}

void dump_fork_child(void)
{
    last_number = 0;
}
