/* SPDX-License-Identifier: MIT
 * flags: -fopenmp -fno-optimize-sibling-calls
 * OpenMP's directives, each in a function wait_<case>, whose threads sleep in known places and wait
 * for each other at others. Prints for each case how long all threads together waited, in ns: from
 * the moment in which each came into the region to the region's end, less its sleeps; and for locks
 * how long they waited to get them, without the wait for the region's end.
 *
 *     openmp_waits [CASE…]
 */
#include "test/programs/truth.h"

#include <omp.h>
#include <stdbool.h>

enum { TEAM = 3, STEP_MS = 20 };

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static _Atomic int64_t began, slept, locked;
static _Atomic int threads;

static void come(void)
{
    began += now();
    threads++;
}

static void work(int steps)
{
    int64_t from = now();
    for (struct timespec t = {0, (long)steps * STEP_MS * 1000000}; nanosleep(&t, &t) != 0;) {
    }
    slept += now() - from;
}

SITE static void wait_barrier(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
        work(omp_get_thread_num() == 0 ? 3 : 0);
#pragma omp barrier
        work(1);
    }
}

SITE static void wait_join(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
        work(omp_get_thread_num());
    }
}

SITE static void wait_critical(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
        int64_t from = now();
#pragma omp critical
        {
            locked += now() - from;
            work(1);
        }
    }
}

SITE static void wait_named(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
        int64_t from = now();
#pragma omp critical(named)
        {
            locked += now() - from;
            work(1);
        }
    }
}

SITE static void wait_lock(void)
{
    omp_lock_t lock;
    omp_init_lock(&lock);
#pragma omp parallel num_threads(TEAM)
    {
        come();
        int64_t from = now();
        omp_set_lock(&lock);
        locked += now() - from;
        work(1);
        omp_unset_lock(&lock);
    }
    omp_destroy_lock(&lock);
}

SITE static void wait_nest_lock(void)
{
    omp_nest_lock_t lock;
    omp_init_nest_lock(&lock);
#pragma omp parallel num_threads(TEAM)
    {
        come();
        int64_t from = now();
        omp_set_nest_lock(&lock);
        locked += now() - from;
        omp_set_nest_lock(&lock);
        work(1);
        omp_unset_nest_lock(&lock);
        work(1);
        omp_unset_nest_lock(&lock);
    }
    omp_destroy_nest_lock(&lock);
}

SITE static void wait_loop(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
#pragma omp for schedule(dynamic, 1)
        for (int i = 0; i < 4; i++) {
            work(1);
        }
        work(1);
    }
}

SITE static void wait_sections(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
#pragma omp sections
        {
#pragma omp section
            work(1);
#pragma omp section
            work(3);
        }
        work(1);
    }
}

SITE static void wait_copyprivate(void)
{
    int x = 0;
#pragma omp parallel num_threads(TEAM) firstprivate(x)
    {
        come();
#pragma omp single copyprivate(x)
        {
            work(2);
            x = 1;
        }
        work(x);
    }
}

SITE static void wait_ordered(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
#pragma omp for schedule(static, 1) ordered
        for (int i = 0; i < TEAM; i++) {
#pragma omp ordered
            work(1);
        }
    }
}

/* The loop is the region: one directive, one entry point. */
SITE static void wait_parallel_for(void)
{
#pragma omp parallel for num_threads(TEAM) schedule(dynamic, 1)
    for (int i = 0; i < TEAM; i++) {
        come();
        work(i);
    }
}

/* Of five tasks, the thread that makes them runs some while it waits for them, and the others run
 * some in the barrier. */
SITE static void wait_tasks(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
#pragma omp single
        for (int i = 0; i < 5; i++) {
#pragma omp task
            work(1);
        }
    }
}

SITE static void wait_taskwait(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
#pragma omp single
        {
#pragma omp task
            work(3);
#pragma omp task
            work(1);
#pragma omp taskwait
            work(1);
        }
    }
}

SITE static void wait_taskgroup(void)
{
#pragma omp parallel num_threads(TEAM)
    {
        come();
#pragma omp master
        {
#pragma omp taskgroup
            {
#pragma omp task
                work(3);
#pragma omp task
                work(1);
            }
            work(1);
        }
    }
}

/* The threads that the runtime keeps wait here for the next region: they are idle. */
SITE static void wait_idle(void)
{
    work(5);
}

static const struct {
    const char *name;
    void (*f)(void);
} cases[] = {
    {"barrier", wait_barrier},
    {"join", wait_join},
    {"critical", wait_critical},
    {"named", wait_named},
    {"lock", wait_lock},
    {"nest_lock", wait_nest_lock},
    {"loop", wait_loop},
    {"sections", wait_sections},
    {"copyprivate", wait_copyprivate},
    {"ordered", wait_ordered},
    {"parallel_for", wait_parallel_for},
    {"tasks", wait_tasks},
    {"taskwait", wait_taskwait},
    {"taskgroup", wait_taskgroup},
    {"idle", wait_idle},
};

int main(int argc, char **argv)
{
    const char *between = "";
    printf("{");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool wanted = argc == 1;
        for (int n = 1; n < argc; n++) {
            wanted |= strcmp(argv[n], cases[i].name) == 0;
        }
        if (wanted) {
            began = slept = locked = threads = 0;
            cases[i].f();
            int64_t waited = threads * now() - began - (threads ? slept : 0);
            printf("%s\"%s\": {\"waited\": %lld, \"locked\": %lld}", between, cases[i].name,
                   (long long)waited, (long long)locked);
            between = ", ";
        }
    }
    printf("}\n");
    return 0;
}
