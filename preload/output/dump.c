/* SPDX-License-Identifier: MIT
 *
 * See dump.h. The order of things is the whole of the file: folder, number, and then for each
 * profile snapshot → encode → file. Everything is read from lock-free tables while the program
 * runs on.
 */
#include "preload/output/dump.h"

#include "collectors/base/arena.h"
#include "collectors/base/log.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/cpu/cpu.h"
#include "collectors/kinds.h"
#include "collectors/stacks/unloaded.h"
#include "collectors/tables/delta.h"
#include "collectors/threads/allthreads.h"
#include "encoder/atomic_file.h"
#include "encoder/maps.h"
#include "preload/config.h"
#include "preload/output/render.h"
#include "preload/output/symbolizer.h"

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

/* A profile's name: bytes that may stand in a file's name as they are, the others as %XX. One for
 * which a file's name has no room is cut, and its hash (FNV-1a) makes it its own. */
static void add_profile(struct text *t, const char *name)
{
    enum { BEHIND = 2 + 17 + 11 }; /* an escape's rest, the hash, the longest ending */
    static const char hex[] = "0123456789ABCDEF";
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     c == '.' || c == '_' || c == '-';
        const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        hash = (hash ^ c) * 0x100000001b3ULL;
        if (t->len < FILE_NAME_MAX - BEHIND) {
            text_add_n(t, plain ? p : escape, plain ? 1 : 3);
        } else if (p[1] == '\0') {
            text_add(t, "~");
            text_add_hex(t, hash);
        }
    }
}

/* "<exe>.<pid>.<NNN>.<profile><ending>" */
static void file_name(char *buf, const struct maps *maps, int number, const struct kind *k,
                      const char *ending)
{
    struct text t = text_in(buf, FILE_NAME_MAX + 1);
    add_program(&t, maps);
    text_add(&t, ".");
    text_add_int(&t, config.pid, 0); /* the program's, not the scribe's */
    text_add(&t, ".");
    text_add_int(&t, number, 3);
    text_add(&t, ".");
    add_profile(&t, kind_name(k));
    text_add(&t, ending);
}

/* By enum render_form. */
static const char *const endings[] = {".pb.gz", ".txt", ".debug2.txt"};

static bool number_is_free(int dir, const struct maps *maps, int number,
                           const struct kind *const *list, size_t n)
{
    char name[FILE_NAME_MAX + 1];
    struct stat st;
    for (size_t i = 0; i < n; i++) {
        file_name(name, maps, number, list[i], endings[RENDER_PROTO]);
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
            sys_call3(SYS_mkdirat, AT_FDCWD, path, 0700); /* an existing one is what we want */
            *p = '/';
        }
    }
    int made = (int)sys_call3(SYS_mkdirat, AT_FDCWD, path, 0700);
    dir = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    return dir == -ENOENT && made != 0 ? made : dir;
}

/* ---- what earlier dumps left ---- */

static int last_number;

/* The values of the last dump that was written, for PPROF_DELTA: of each profile, as it turns up.
 */
static struct earlier {
    const struct kind *kind;
    struct earlier *next;
    struct delta values;
    int64_t duration;
} * all_earlier;

static struct earlier *earlier_of(const struct kind *k)
{
    struct earlier *e = all_earlier;
    while (e && e->kind != k) {
        e = e->next;
    }
    if (!e && (e = arena_alloc(sizeof *e))) {
        e->kind = k;
        e->next = all_earlier;
        all_earlier = e;
    }
    return e;
}

/* The numbers of this process's newest dumps, PPROF_KEEP of them: a ring. */
static int *kept;
static int64_t kept_count;

/* Removes the dump that makes way for this one. The symboliser, should it be at work on it, puts no
 * file where there is none. */
static void keep(int dir, const struct maps *maps, int number, const struct kind *const *list,
                 size_t n)
{
    if (config.keep == 0) {
        return;
    }
    if (!kept && !(kept = arena_alloc((size_t)config.keep * sizeof *kept))) {
        return;
    }
    int *place = &kept[kept_count++ % config.keep];
    for (size_t i = 0; i < n && *place != 0; i++) {
        for (size_t form = 0; form < (config.debug ? ARRAY_LEN(endings) : 1); form++) {
            char name[FILE_NAME_MAX + 1];
            file_name(name, maps, *place, list[i], endings[form]);
            sys_call3(SYS_unlinkat, dir, name, 0);
        }
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

/* What a dump writes, and where. */
struct writing {
    int dir;
    int number;
    struct render_moment moment;
    char *names; /* of the files that are written, each terminated, one after the other */
    size_t used;
    int files;
    int error; /* the first one */
};

static int write_file(struct writing *w, const struct kind *k, enum render_form form,
                      const struct snapshot *snap)
{
    char *name = w->names + w->used;
    file_name(name, w->moment.maps, w->number, k, endings[form]);
    int err = atomic_file_open(&file, w->dir, name);
    if (err == 0) {
        struct byte_sink sink = {atomic_file_write, &file};
        err = render_encode(snap, form, &w->moment, &sink);
        err = err ? err : atomic_file_commit(&file, name);
        atomic_file_abandon(&file); /* nothing if it is there */
    }
    if (err) {
        log_error("cannot write", name, err);
        w->error = w->error ? w->error : err;
        return err;
    }
    w->used += strlen(name) + 1;
    w->files++;
    return 0;
}

static int write_forms(struct writing *w, const struct kind *k, const struct snapshot *snap)
{
    int err = write_file(w, k, RENDER_PROTO, snap);
    if (config.debug) {
        (void)!write_file(w, k, RENDER_DEBUG1, snap);
        if (snap->threads) {
            (void)!write_file(w, k, RENDER_DEBUG2, snap);
        }
    }
    return err;
}

/* The difference from the last dump instead, which this one becomes if it is written. */
static void write_delta(struct writing *w, const struct kind *k, struct snapshot *snap)
{
    struct delta now;
    struct snapshot_sample *changed;
    size_t bytes;
    struct earlier *earlier = earlier_of(k);
    long n = earlier
                 ? delta_make(&earlier->values, snap->sample, snap->samples, &now, &changed, &bytes)
                 : -ENOMEM;
    if (n < 0) {
        log_error("cannot write", kind_name(k), (int)n);
        w->error = w->error ? w->error : (int)n;
        return;
    }
    int64_t duration = snap->duration_nanos;
    snap->sample = changed;
    snap->samples = (size_t)n;
    snap->duration_nanos -= earlier->duration;
    int err = write_forms(w, k, snap);
    sys_unmap(changed, bytes);
    delta_free(err ? &now : &earlier->values);
    if (err == 0) {
        earlier->values = now;
        earlier->duration = duration;
    }
}

static void write_profile(struct writing *w, const struct kind *k)
{
    struct rendering p;
    render_open(&p, k, &w->moment);
    if (config.delta) {
        write_delta(w, k, &p.snap);
    } else {
        write_forms(w, k, &p.snap);
    }
    render_close(&p);
}

/* All profiles of one dump into an open folder. */
static int write_all(int dir, const struct render_moment *moment)
{
    size_t n;
    const struct kind **list = render_list(&n);
    size_t bytes = n * ARRAY_LEN(endings) * (FILE_NAME_MAX + 1);
    const struct maps *maps = moment->maps;
    struct writing w = {.dir = dir, .moment = *moment, .names = sys_map(bytes)};
    if (!list || !w.names) {
        log_error("no dump", "", -ENOMEM);
        render_list_free(list, n);
        sys_unmap(w.names, bytes);
        return -ENOMEM;
    }
    w.number = last_number + 1;
    remove_unfinished(dir);
    while (!number_is_free(dir, maps, w.number, list, n)) {
        w.number++;
    }
    if (last_number == 0 && w.number > 1) {
        cpu_start_is_known();
    }
    last_number = w.number;
    for (size_t i = 0; i < n; i++) {
        if (list[i]->enabled) {
            write_profile(&w, list[i]);
        }
    }
    if (w.files) {
        keep(dir, maps, w.number, list, n);
        symbolizer_queue(maps, w.names, w.used, w.files);
    }
    render_list_free(list, n);
    sys_unmap(w.names, bytes);
    return w.error;
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

static int last_error; /* of the last dump, for dump_error() */

int dump_error(void)
{
    return LOAD(&last_error);
}

/* The picture that a thread of the program has taken for this dump. Where none has, by interval
 * say, the scribe takes it as far as it may. */
static struct allthreads *threads_for(uint32_t open)
{
    struct allthreads *a = allthreads_claim(open);
    if (!a && kinds_need(NEEDS_THREADS)) {
        int how = config.names_threads ? ALLTHREADS_SIGNAL : 0;
        how |= config.debug ? ALLTHREADS_DETAIL : 0;
        a = allthreads_take(config.pid, how, NULL);
    }
    return a;
}

void dump_write(uint32_t open)
{
    struct allthreads *threads = threads_for(open);
    struct maps *maps = read_maps();
    struct render_moment moment = {maps, sys_clock_ns(CLOCK_REALTIME), threads};
    int dir = open_folder();
    int err = dir < 0 ? dir : 0;
    if (dir < 0) {
        log_error("no dump: cannot open the folder", config.out, dir);
    } else if (maps_count(maps) == 0) { /* addresses that belong nowhere help nobody */
        err = maps ? -ENOENT : -ENOMEM;
        log_error("no dump: cannot read", "/proc/self/maps", err);
    } else {
        err = write_all(dir, &moment);
    }
    STORE(&last_error, err);
    if (dir >= 0) {
        sys_close(dir);
    }
    maps_free(maps);
    allthreads_free(threads);
}

void dump_fork_child(void)
{
    last_number = 0;
    file.temporary[0] = '\0';
    kept = NULL; /* its parent's dumps are none of its own */
    kept_count = 0;
    for (struct earlier *e = all_earlier; e; e = e->next) {
        delta_free(&e->values);
        e->duration = 0;
    }
}
