/* SPDX-License-Identifier: MIT
 * Does known things under known labels between its dumps; run by e2e/told_apart.py as
 * `told_apart WHAT`. After each step it asks for a dump itself.
 *   steps   memory under two labels and under none, threads, entries and waits: twice, and then
 *           nothing. Some of the memory is freed by a thread that has other labels.
 *   child   one step, and then another one in a forked child
 *   share   1,000 blocks under each of four labels, by turns
 *   many N  memory under N sets of labels, one block each, and then half of it is freed
 */
#include "../../preload/pprofinject.h"
#include "truth.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 1000, MOST = 1 << 20 };
static void *blocks[MOST];
static int used;

static void label(const char *value)
{
    pprof_ctx *ctx = value ? pprof_with_labels(NULL, pprof_labels("route", value, NULL)) : NULL;
    pprof_set_thread_labels(ctx);
    pprof_ctx_free(ctx);
}

SITE void grow(int n)
{
    for (int i = 0; i < n; i++)
        keep(blocks[used++] = malloc(SIZE));
}

/* Frees every second block of [from, to). */
static void *shrink(void *arg)
{
    const int *range = arg;
    label("/frees");
    for (int i = range[0]; i < range[1]; i += 2) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
    return NULL;
}

static void shrink_elsewhere(int from, int to)
{
    pthread_t t;
    int range[] = {from, to};
    must(pthread_create(&t, NULL, shrink, range) == 0, "pthread_create");
    pthread_join(t, NULL);
}

static void *park(void *arg)
{
    (void)arg;
    pause();
    return NULL;
}

SITE void make_threads(int n)
{
    for (int i = 0; i < n; i++) {
        pthread_t t;
        must(pthread_create(&t, NULL, park, NULL) == 0, "pthread_create");
    }
}

static pprof_profile *entries;
static char entry[64];
static int added;

SITE void add_entries(int n)
{
    for (int i = 0; i < n; i++)
        must(pprof_profile_add(entries, &entry[added++], 0) == 0, "add");
}

static void dump(void)
{
    must(pprof_dump() == 0, "dump");
}

static void step(int a, int b, int bare, int threads, int more)
{
    int from = used;
    label("/a");
    grow(a);
    label("/b");
    grow(b);
    label(NULL);
    grow(bare);
    shrink_elsewhere(from, from + a); /* half of the first */
    make_threads(threads);
    add_entries(more);
    dump();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    entries = pprof_new_profile("entries");
    if (strcmp(what, "steps") == 0) {
        step(40, 30, 20, 3, 4);
        usleep(300000);
        step(10, 20, 30, 1, 2);
        dump();
    } else if (strcmp(what, "child") == 0) {
        int status = 1;
        usleep(500000);
        step(40, 30, 20, 0, 4);
        if (fork() == 0) {
            step(10, 20, 30, 0, 2);
            printf("{\"child\": %d}\n", (int)getpid());
            fflush(stdout);
            _exit(0);
        }
        must(wait(&status) > 0 && status == 0, "child");
    } else if (strcmp(what, "share") == 0) {
        static const char *const values[] = {"/a", "/b", "/c", "/d"};
        for (int i = 0; i < 4000; i++) {
            label(values[i % 4]);
            grow(1);
        }
        dump();
    } else {
        int n = argc > 2 ? atoi(argv[2]) : 0;
        for (int i = 0; i < n; i++) {
            char value[32];
            snprintf(value, sizeof value, "request-%d", i);
            label(value);
            grow(1);
        }
        label(NULL);
        shrink_elsewhere(0, n);
        dump();
    }
    return 0;
}
