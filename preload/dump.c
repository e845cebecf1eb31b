/* SPDX-License-Identifier: MIT
 *
 * See dump.h. The order of things is the whole of the file: folder, number, and then for each
 * profile snapshot → encode → file. Everything is read from lock-free tables while the program
 * runs on.
 */
#include "preload/dump.h"

#include "collectors/base/arena.h"
#include "collectors/base/log.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/cpu.h"
#include "collectors/delta.h"
#include "collectors/kinds.h"
#include "collectors/unloaded.h"
#include "encoder/atomic_file.h"
#include "encoder/encode.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/symbolizer.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

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
    int made = (int)sys_call2(SYS_mkdir, path, 0700);
    dir = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    return dir == -ENOENT && made != 0 ? made : dir;
}

/* ---- what earlier dumps left ---- */

static int last_number;
static struct {
    struct delta values; /* of the last dump that was written; PPROF_DELTA alone */
    int64_t duration;
} earlier[KIND_COUNT];

/* The numbers of this process's newest dumps, PPROF_KEEP of them: a ring. */
static int *kept;
static int64_t kept_count;

/* Removes the dump that makes way for this one. The symboliser, should it be at work on it, puts no
 * file where there is none. */
static void keep(int dir, const struct maps *maps, int pid, int number)
{
    if (config.keep == 0) {
        return;
    }
    if (!kept && !(kept = arena_alloc((size_t)config.keep * sizeof *kept))) {
        return;
    }
    int *place = &kept[kept_count++ % config.keep];
    for (int i = 0; i < KIND_COUNT && *place != 0; i++) {
        char name[FILE_NAME_MAX + 1];
        file_name(name, sizeof name, maps, pid, *place, kinds[i].shape.name);
        sys_call3(SYS_unlinkat, dir, name, 0);
    }
    *place = number;
}

/* ---- one profile ---- */

static struct atomic_file file; /* the one that is being written */

/* A scribe was killed in the middle of one. */
static void remove_unfinished(int dir)
{
    file.dir = dir;
    file.fd = -1;
    atomic_file_abandon(&file);
}

static int write_file(int dir, const char *name, const struct snapshot *snap,
                      const struct maps *maps)
{
    int err = atomic_file_open(&file, dir, name);
    if (err == 0) {
        struct byte_sink sink = {atomic_file_write, &file};
        err = encode(snap, maps, &sink);
        err = err ? err : atomic_file_commit(&file, name);
        atomic_file_abandon(&file); /* nothing if it is there */
    }
    return err;
}

/* The difference from the last dump instead, which this one becomes if it is written. */
static int write_delta(int dir, const char *name, int kind, struct snapshot *snap,
                       const struct maps *maps)
{
    struct delta now;
    struct snapshot_sample *changed;
    size_t bytes;
    long n = delta_make(&earlier[kind].values, snap->sample, snap->samples, &now, &changed, &bytes);
    if (n < 0) {
        return (int)n;
    }
    int64_t duration = snap->duration_nanos;
    snap->sample = changed;
    snap->samples = (size_t)n;
    snap->duration_nanos -= earlier[kind].duration;
    int err = write_file(dir, name, snap, maps);
    sys_unmap(changed, bytes);
    delta_free(err ? &now : &earlier[kind].values);
    if (err == 0) {
        earlier[kind].values = now;
        earlier[kind].duration = duration;
    }
    return err;
}

static int write_profile(int dir, const char *name, int index, const struct maps *maps,
                         int64_t time)
{
    const struct kind *kind = &kinds[index];
    struct snapshot_sample *samples = NULL;
    size_t bytes = 0;
    struct snapshot snap = {.shape = &kind->shape, .period = kind->period(), .time_nanos = time};
    snap.duration_nanos = kind->duration ? kind->duration() : 0;
    snap.samples = kind->snapshot(&samples, &bytes);
    snap.sample = samples;
    int err = config.delta ? write_delta(dir, name, index, &snap, maps)
                           : write_file(dir, name, &snap, maps);
    sys_unmap(samples, bytes);
    return err;
}

/* All profiles of one dump into an open folder. */
static void write_all(int dir, const struct maps *maps, int64_t time)
{
    char names[KIND_COUNT * (FILE_NAME_MAX + 1)];
    size_t used = 0;
    int files = 0;
    int pid = config.pid; /* the program's, not the scribe's */
    int number = last_number + 1;
    remove_unfinished(dir);
    while (!number_is_free(dir, maps, pid, number)) {
        number++;
    }
    if (last_number == 0 && number > 1) {
        cpu_start_is_known();
    }
    last_number = number;
    for (int i = 0; i < KIND_COUNT; i++) {
        char *name = names + used;
        file_name(name, FILE_NAME_MAX + 1, maps, pid, number, kinds[i].shape.name);
        int err = kinds[i].enabled ? write_profile(dir, name, i, maps, time) : 0;
        if (err) {
            log_error("cannot write", name, err);
        } else if (kinds[i].enabled) {
            used += strlen(name) + 1;
            files++;
        }
    }
    uint32_t own = maps_find(maps, (uintptr_t)dump_write);
    if (files) {
        keep(dir, maps, pid, number);
        if (own) {
            symbolizer_queue(maps_text(maps, maps_mapping(maps, own)->file), names, used, files);
        }
    }
}

/* What is mapped, and what was. NULL: no memory. */
static struct maps *read_maps(void)
{
    struct past_code *past;
    size_t bytes;
    struct maps *maps = maps_read(getauxval(AT_PHDR));
    long n = unloaded_snapshot(&past, &bytes);
    if (maps && (n < 0 || !maps_add_past(maps, past, (size_t)n))) {
        maps_free(maps);
        maps = NULL;
    }
    sys_unmap(past, bytes);
    return maps;
}

void dump_write(void)
{
    int64_t time = sys_clock_ns(CLOCK_REALTIME);
    struct maps *maps = read_maps();
    int dir = open_folder();
    if (dir < 0) {
        log_error("no dump: cannot open the folder", config.out, dir);
    } else if (maps_count(maps) == 0) { /* addresses that belong nowhere help nobody */
        log_error("no dump: cannot read", "/proc/self/maps", maps ? -ENOENT : -ENOMEM);
    } else {
        write_all(dir, maps, time);
    }
    if (dir >= 0) {
        sys_close(dir);
    }
    maps_free(maps);
}

void dump_fork_child(void)
{
    last_number = 0;
    file.temporary[0] = '\0';
    kept = NULL; /* its parent's dumps are none of its own */
    kept_count = 0;
    for (int i = 0; i < KIND_COUNT; i++) {
        delta_free(&earlier[i].values);
        earlier[i].duration = 0;
    }
}
