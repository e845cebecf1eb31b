/* SPDX-License-Identifier: MIT
 * What a stack costs, built with -fomit-frame-pointer from the walker's own sources. Every way of
 * taking one is measured in short blocks, in turns; the medians are printed.
 *
 *   unwind_bench warm     per depth: ns a frame of ours, of unw_backtrace, of glibc's backtrace
 *   unwind_bench loop     the same at depth 100 in a loop that takes stacks at changing leaves
 *   unwind_bench cold     ns a frame when no rule is known, and of libunwind's steps
 *   unwind_bench memory none|ours|unw_backtrace     KiB of 1,000 threads that take stacks
 *
 * Run by scripts/bench-unwind.
 */
#include "test/bench/unwind_ways.h"

#include <sched.h>

enum {
    ROUNDS = 301,
    BLOCK_NS = 100000,
    COLD_ROUNDS = 101,
    LEAVES = 4,
    MEMORY_THREADS = 1000,
    MEMORY_DEPTH = 30,
    MEMORY_STACKS = 100,
    STACK_TOUCHED = 16 << 10, /* what a program's own calls have used of it before */
};

/* ---- measuring ---- */

struct way {
    const char *name;
    int (*take)(void);
    void (*before)(void); /* each block; not measured */
    int times;            /* in a block */
    double ns[ROUNDS];    /* a frame */
};
static struct way *ways;
static int ways_used, rounds;
static bool blocks; /* as many as BLOCK_NS has room for; else one at a time */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double block(const struct way *w)
{
    if (w->before) {
        w->before();
    }
    int64_t began = sys_clock_ns(CLOCK_MONOTONIC);
    int n = 0;
    for (int i = 0; i < w->times; i++) {
        n = w->take();
        __asm__ volatile("" ::: "memory");
    }
    return (double)(sys_clock_ns(CLOCK_MONOTONIC) - began) / w->times / n;
}

static NOINLINE void in_turns(void)
{
    for (int i = 0; i < ways_used; i++) {
        ways[i].times = 1;
        (void)block(&ways[i]); /* caches fill */
        for (double total = 0; blocks && total < BLOCK_NS; ways[i].times *= 2) {
            total = block(&ways[i]) * ways[i].take() * ways[i].times;
        }
    }
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < ways_used; i++) {
            struct way *w = &ways[(i + round) % ways_used];
            w->ns[round] = block(w);
        }
    }
}

static void measure(const char *label, int depth, void (*fn)(void), struct way *w, int n)
{
    ways = w;
    ways_used = n;
    at_depth(depth, fn);
    printf("%s", label);
    for (int i = 0; i < n; i++) {
        qsort(w[i].ns, (size_t)rounds, sizeof w[i].ns[0], by_value);
        printf(" %s %.3f", w[i].name, w[i].ns[rounds / 2]);
    }
    printf("\n");
}

static struct way warm_ways[] = {
    {.name = "ours", .take = by_ours},
    {.name = "ours_anew", .take = by_ours_anew},
    {.name = "unw_backtrace", .take = by_unw_backtrace},
    {.name = "backtrace", .take = by_backtrace},
};

/* No rule is known, but that the pages of the frame information can be read still is, as for most
 * pcs that a program visits for the first time. */
static void forget_rules(void)
{
    rules_forget();
    (void)by_rules_step();
}

static struct way cold_ways[] = {
    {.name = "ours", .take = by_ours, .before = forget_rules},
    {.name = "rules_step", .take = by_rules_step},
    {.name = "unw_step", .take = by_unw_step},
};

static void warm(void)
{
    rounds = ROUNDS;
    blocks = true;
    measure("10", 10, in_turns, warm_ways, ARRAY_LEN(warm_ways));
    measure("30", 30, in_turns, warm_ways, ARRAY_LEN(warm_ways));
    measure("100", 100, in_turns, warm_ways, ARRAY_LEN(warm_ways));
}

static void cold(void)
{
    lib.set_caching_policy(*lib.local_addr_space, UNW_CACHE_NONE);
    rounds = COLD_ROUNDS;
    measure("100", 100, in_turns, cold_ways, ARRAY_LEN(cold_ways));
}

/* A loop that allocates: the stacks of one iteration differ in their leaves. */
static int (*take_in_loop)(void);
#define LEAF(n)                                                                                    \
    static NOINLINE int leaf##n(void)                                                              \
    {                                                                                              \
        volatile char room[16 * (n) + 8];                                                          \
        room[0] = (n);                                                                             \
        int frames = take_in_loop();                                                               \
        return frames + room[0] - (n);                                                             \
    }
LEAF(0)
LEAF(1)
LEAF(2)
LEAF(3)

static int next_leaf(int (*take)(void))
{
    static int (*const leaves[LEAVES])(void) = {leaf0, leaf1, leaf2, leaf3};
    static unsigned turn;
    take_in_loop = take;
    return leaves[turn++ % LEAVES]();
}
static NOINLINE int loop_ours(void)
{
    return next_leaf(by_ours);
}
static NOINLINE int loop_unw_backtrace(void)
{
    return next_leaf(by_unw_backtrace);
}

static void loop(void)
{
    static struct way loop_ways[] = {
        {.name = "ours", .take = loop_ours},
        {.name = "unw_backtrace", .take = loop_unw_backtrace},
    };
    rounds = ROUNDS;
    blocks = true;
    measure("100", 100, in_turns, loop_ways, ARRAY_LEN(loop_ways));
}

/* ---- memory ---- */

static int (*take_in_thread)(void);
static pthread_barrier_t all_there, go_on;

static void thread_leaf(void)
{
    for (int i = 0; take_in_thread && i < MEMORY_STACKS; i++) {
        take_in_thread();
    }
}

static NOINLINE void touch_stack(void)
{
    volatile char room[STACK_TOUCHED];
    for (int i = 0; i < STACK_TOUCHED; i += 1024) {
        room[i] = 1;
    }
    KEEP(room);
}

static void *thread_takes(void *arg)
{
    find_bounds();
    touch_stack();
    at_depth(MEMORY_DEPTH, thread_leaf);
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&go_on);
    return arg;
}

static long anonymous_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "Anonymous: %ld", &kib) != 1) {
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

static void memory(const char *how)
{
    static pthread_t threads[MEMORY_THREADS];
    take_in_thread = strcmp(how, "ours") == 0            ? by_ours
                     : strcmp(how, "unw_backtrace") == 0 ? by_unw_backtrace
                                                         : NULL;
    at_the_leaf = thread_leaf;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 << 10);
    pthread_barrier_init(&all_there, NULL, MEMORY_THREADS + 1);
    pthread_barrier_init(&go_on, NULL, MEMORY_THREADS + 1);
    for (int i = 0; i < MEMORY_THREADS; i++) {
        if (pthread_create(&threads[i], &attr, thread_takes, NULL) != 0) {
            fprintf(stderr, "thread %d cannot be made\n", i);
            exit(1);
        }
    }
    pthread_barrier_wait(&all_there);
    printf("memory %ld\n", anonymous_kib());
    pthread_barrier_wait(&go_on);
    for (int i = 0; i < MEMORY_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(int argc, char **argv)
{
    open_libunwind();
    find_bounds();
    if (rules_start(true) != 0) {
        fprintf(stderr, "no libunwind-x86_64.so.8\n");
        return 1;
    }
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "memory") == 0) {
        memory(argc > 2 ? argv[2] : "none");
        return 0;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    if (strcmp(what, "warm") == 0) {
        warm();
    } else if (strcmp(what, "loop") == 0) {
        loop();
    } else if (strcmp(what, "cold") == 0) {
        cold();
    } else {
        fprintf(stderr, "usage: unwind_bench warm|loop|cold|memory HOW\n");
        return 2;
    }
    return 0;
}
