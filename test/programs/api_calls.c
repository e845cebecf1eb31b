/* SPDX-License-Identifier: MIT
 * Every call of preload/pprofinject.h, right and wrong, with the result that the header promises;
 * run by e2e/api_calls.py as `api_calls FOLDER`, under the library, and bare as `api_calls absent`.
 */
#include "../../preload/pprofinject.h"
#include "truth.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[4000];
static int key[32];

static int file(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static void called(pprof_ctx *ctx, void *arg)
{
    *(pprof_ctx **)arg = ctx;
}

static bool never(void *arg, const char *k, const char *v)
{
    (void)arg, (void)k, (void)v;
    must(0, "for_labels without labels");
    return true;
}

static int absent(void)
{
    pprof_ctx *got = (pprof_ctx *)key;
    pprof_profile *some = (pprof_profile *)key;
    must(!pprof_active(), "active");
    must(pprof_start_cpu_profile(1) == -ENOSYS && pprof_stop_cpu_profile() == -ENOSYS, "cpu");
    must(pprof_write_heap_profile(1) == -ENOSYS && pprof_dump() == -ENOSYS, "heap, dump");
    must(!pprof_new_profile("a") && errno == ENOSYS && !pprof_lookup("heap"), "profiles");
    must(pprof_profiles(&some, 1) == 0 && pprof_profile_add(some, key, 0) == -ENOSYS, "add");
    must(pprof_profile_remove(some, key) == -ENOSYS && pprof_profile_count(some) == -ENOSYS,
         "count");
    errno = 0;
    must(!pprof_profile_name(some) && errno == ENOSYS, "name");
    must(pprof_profile_write_to(some, 1, 0) == -ENOSYS, "write_to");
    errno = 0;
    must(!pprof_labels("k", "v", NULL) && errno == ENOSYS, "labels");
    must(!pprof_with_labels(NULL, NULL) && !pprof_label(NULL, "k"), "with_labels");
    pprof_labelset_free(NULL);
    pprof_ctx_free(NULL);
    pprof_set_thread_labels(NULL);
    pprof_for_labels(NULL, never, NULL);
    pprof_do(NULL, NULL, called, &got);
    must(got == NULL, "do calls its function, with NULL");
    must(pprof_set_mem_profile_rate(1) == -ENOSYS && pprof_set_cpu_profile_rate(1) == -ENOSYS,
         "rates");
    must(pprof_set_block_profile_rate(1) == -ENOSYS, "block rate");
    must(pprof_set_mutex_profile_fraction(1) == -ENOSYS, "mutex fraction");
    return 0;
}

/* ---- profiles ---- */

SITE int add_here(pprof_profile *p, void *k, int skip)
{
    return pprof_profile_add(p, k, skip);
}

SITE int add_caller(pprof_profile *p, void *k, int skip)
{
    int err = add_here(p, k, skip);
    keep(k);
    return err;
}

static void custom(void)
{
    errno = 0;
    must(!pprof_new_profile(NULL) && errno == EINVAL, "new NULL");
    errno = 0;
    must(!pprof_new_profile("") && errno == EINVAL, "new empty");
    static const char *const taken[] = {"cpu",   "heap",         "allocs",   "block",
                                        "mutex", "threadcreate", "goroutine"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        errno = 0;
        must(!pprof_new_profile(taken[i]) && errno == EEXIST, taken[i]);
    }
    must(pprof_new_profile("a name as long as a sentence, which still has room in a file's") !=
             NULL,
         "a long name");
    pprof_profile *p = pprof_new_profile("my/files \xc3\xa9");
    must(p != NULL, "new");
    errno = 0;
    must(!pprof_new_profile("my/files \xc3\xa9") && errno == EEXIST, "new twice");
    must(pprof_lookup("my/files \xc3\xa9") == p, "lookup");
    must(strcmp(pprof_profile_name(p), "my/files \xc3\xa9") == 0, "name");
    must(add_caller(p, &key[0], 0) == 0 && add_caller(p, &key[1], 1) == 0, "add");
    must(add_caller(p, &key[0], 0) == -EEXIST, "add twice");
    must(add_caller(p, &key[2], 1000) == 0 && add_caller(p, NULL, 0) == 0, "skip beyond; NULL key");
    must(pprof_profile_count(p) == 4, "count");
    must(pprof_profile_remove(p, NULL) == 0 && pprof_profile_count(p) == 3, "remove");
    must(pprof_profile_remove(p, &key[9]) == 0 && pprof_profile_count(p) == 3, "remove absent");
    must(add_caller(p, NULL, 0) == 0 && pprof_profile_remove(p, NULL) == 0, "again");
    must(pprof_profile_add(p, &key[3], -1) == -EINVAL, "negative skip");
    int fd = file("custom.pb.gz");
    must(pprof_profile_write_to(p, fd, 0) == 0, "write_to 0");
    fd = file("custom.txt");
    must(pprof_profile_write_to(p, fd, 1) == 0, "write_to 1");
}

static void predefined(void)
{
    static const char *const names[] = {"allocs", "block", "goroutine",
                                        "heap",   "mutex", "threadcreate"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pprof_profile *p = pprof_lookup(names[i]);
        must(p && strcmp(pprof_profile_name(p), names[i]) == 0, names[i]);
        must(pprof_profile_add(p, key, 0) == -EPERM && pprof_profile_remove(p, key) == -EPERM,
             "EPERM");
        must(pprof_profile_count(p) >= 0, "count");
        char name[64];
        for (int debug = 0; debug <= 2; debug++) {
            snprintf(name, sizeof name, "%s.%d", names[i], debug);
            must(pprof_profile_write_to(p, file(name), debug) == 0, name);
        }
    }
    errno = 0;
    must(!pprof_lookup("cpu") && errno == ENOENT, "lookup cpu");
    errno = 0;
    must(!pprof_lookup("nothing") && errno == ENOENT, "lookup nothing");
    errno = 0;
    must(!pprof_lookup(NULL) && errno == EINVAL, "lookup NULL");
    pprof_profile *all[32] = {NULL};
    size_t n = pprof_profiles(all, 32);
    must(n == 8 && n < 32 && pprof_profiles(NULL, 0) == n, "profiles");
    for (size_t i = 1; i < n; i++)
        must(strcmp(pprof_profile_name(all[i - 1]), pprof_profile_name(all[i])) < 0, "by name");
    pprof_profile *first[2] = {NULL, NULL};
    must(pprof_profiles(first, 1) == n && first[0] == all[0] && !first[1], "the first cap");
    pprof_profile *wrong[] = {NULL, (pprof_profile *)key, (pprof_profile *)((char *)all[0] + 8)};
    for (size_t i = 0; i < 3; i++) {
        must(pprof_profile_add(wrong[i], key, 0) == -EINVAL, "add to nothing");
        must(pprof_profile_remove(wrong[i], key) == -EINVAL, "remove from nothing");
        must(pprof_profile_count(wrong[i]) == -EINVAL, "count of nothing");
        must(pprof_profile_write_to(wrong[i], 1, 0) == -EINVAL, "write nothing");
        errno = 0;
        must(!pprof_profile_name(wrong[i]) && errno == EINVAL, "name of nothing");
    }
}

/* ---- writes ---- */

static void writes(void)
{
    pprof_profile *heap = pprof_lookup("heap");
    must(pprof_write_heap_profile(file("write_heap.pb.gz")) == 0, "write_heap_profile");
    must(pprof_profile_write_to(heap, -1, 0) == -EINVAL, "no descriptor");
    must(pprof_profile_write_to(heap, 999, 0) == -EBADF, "closed descriptor");
    must(pprof_profile_write_to(heap, 1, -1) == -EINVAL, "negative debug");
    int readonly = open("/dev/null", O_RDONLY);
    must(pprof_profile_write_to(heap, readonly, 0) == -EBADF, "not to be written");
    int full = open("/dev/full", O_WRONLY);
    must(full < 0 || pprof_profile_write_to(heap, full, 0) == -ENOSPC, "disk full");
    int ends[2];
    must(pipe(ends) == 0 && close(ends[0]) == 0, "pipe");
    must(pprof_profile_write_to(heap, ends[1], 1) == -EPIPE, "nobody reads: EPIPE, no SIGPIPE");
    must(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no child");
    int next = dup(1);
    must(next == (full < 0 ? readonly : full) + 2 || next == ends[0], "no descriptor left");
    close(next);
}

static void session(void)
{
    must(pprof_stop_cpu_profile() == 0, "stop when idle");
    must(pprof_start_cpu_profile(-1) == -EINVAL && pprof_start_cpu_profile(999) == -EBADF,
         "bad fd");
    int fd = file("session.pb.gz");
    must(pprof_start_cpu_profile(fd) == 0, "start");
    must(pprof_start_cpu_profile(fd) == -EBUSY, "start twice");
    for (int64_t end = thread_cpu_ns() + 400000000; thread_cpu_ns() < end;)
        spin_a_little();
    must(pprof_stop_cpu_profile() == 0 && pprof_stop_cpu_profile() == 0, "stop");
    int full = open("/dev/full", O_WRONLY);
    must(full < 0 || (pprof_start_cpu_profile(full) == 0 && pprof_stop_cpu_profile() == -ENOSPC),
         "stop returns the error of the write");
}

/* ---- labels ---- */

static bool collect(void *arg, const char *k, const char *v)
{
    char *text = arg;
    strcat(strcat(strcat(strcat(text, k), "="), v), ";");
    return strcmp(k, "b") != 0;
}

static void nested(pprof_ctx *ctx, void *arg)
{
    must(strcmp(pprof_label(ctx, "a"), "2") == 0 && strcmp(pprof_label(ctx, "z"), "9") == 0,
         "merged");
    *(int *)arg += 1;
}

static void labels(void)
{
    static const char *none = NULL;
    errno = 0;
    must(!pprof_labels("k", none, NULL) && errno == EINVAL, "odd");
    errno = 0;
    must(!pprof_labels("k", "v", "", "v", NULL) && errno == EINVAL, "empty key");
    errno = 0;
    must(!pprof_labels("k", "", NULL) && errno == EINVAL, "empty value");
    pprof_labelset *empty = pprof_labels(NULL, NULL);
    must(empty != NULL, "no pairs");
    pprof_labelset_free(empty);
    pprof_ctx *c =
        pprof_with_labels(NULL, pprof_labels("c", "3", "a", "1", "b", "2", "a", "0", NULL));
    must(c != NULL, "with_labels");
    errno = 0;
    must(!pprof_with_labels(c, NULL) && errno == EINVAL, "with_labels of nothing");
    must(strcmp(pprof_label(c, "a"), "0") == 0, "the last wins");
    errno = 0;
    must(!pprof_label(c, "x") && !pprof_label(NULL, "a") && !pprof_label(c, NULL), "absent");
    char text[64] = "";
    pprof_for_labels(c, collect, text);
    must(strcmp(text, "a=0;b=2;") == 0, "for_labels: by key, until false");
    pprof_for_labels(c, NULL, NULL);
    pprof_ctx *d = pprof_with_labels(c, pprof_labels("b", "5", "d", "\xff", NULL));
    text[0] = '\0';
    must(strcmp(pprof_label(d, "b"), "5") == 0 && strcmp(pprof_label(c, "b"), "2") == 0,
         "immutable");
    must(strcmp(pprof_label(d, "a"), "0") == 0 && strcmp(pprof_label(d, "d"), "?") == 0, "UTF-8");
    pprof_set_thread_labels(d);
    pprof_ctx_free(d); /* the thread has its own reference */
    int calls = 0;
    pprof_do(c, pprof_labels("a", "2", "z", "9", NULL), nested, &calls);
    pprof_do(c, NULL, called, &d);
    must(calls == 1 && d != NULL, "do");
    pprof_do(c, pprof_labels("q", "r", NULL), NULL, NULL);
    pprof_set_thread_labels(NULL);
    pprof_ctx_free(c);
    pprof_ctx_free(NULL);
    pprof_labelset_free(NULL);
}

static void rates(void)
{
    long mem = pprof_set_mem_profile_rate(-1);
    must(pprof_set_mem_profile_rate(12345) == mem && pprof_set_mem_profile_rate(mem) == 12345,
         "mem");
    must(pprof_set_mem_profile_rate(-1) == mem, "mem again");
    long cpu = pprof_set_cpu_profile_rate(-1);
    must(pprof_set_cpu_profile_rate(250) == cpu && pprof_set_cpu_profile_rate(cpu) == 250, "cpu");
    must(pprof_set_cpu_profile_rate(-5) == cpu, "cpu again");
    long block = pprof_set_block_profile_rate(-1), mutex = pprof_set_mutex_profile_fraction(-1);
    must(block == 10000 && mutex == 1, "the defaults");
    must(pprof_set_block_profile_rate(7) == block && pprof_set_block_profile_rate(block) == 7,
         "block");
    must(pprof_set_mutex_profile_fraction(3) == 1 && pprof_set_mutex_profile_fraction(1) == 3,
         "mutex");
}

static void sigpipe(int sig)
{
    (void)sig;
    must(0, "SIGPIPE");
}

int main(int argc, char **argv)
{
    must(argc == 2, "arguments");
    if (strcmp(argv[1], "absent") == 0)
        return absent();
    snprintf(folder, sizeof folder, "%s", argv[1]);
    signal(SIGPIPE, sigpipe);
    must(pprof_active(), "active");
    writes();
    custom();
    predefined();
    session();
    labels();
    rates();
    must(pprof_dump() == 0, "dump");
    printf("{\"done\": true}\n");
    return 0;
}
