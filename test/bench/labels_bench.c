/* SPDX-License-Identifier: MIT
 * Changes of labels in a loop, in a threaded process; prints ns of CPU time each. Run by
 * scripts/bench-labels.
 */
#include "preload/pprofinject.h"
#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { TURNS = 7, PAIRS = 2000000, DOS = 200000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void nothing(pprof_ctx *ctx, void *arg)
{
    (void)ctx, (void)arg;
}

static void *thread(void *arg)
{
    return arg;
}

static void pairs(const pprof_ctx *to, const pprof_ctx *back, int n)
{
    for (int i = 0; i < n; i++) {
        pprof_set_thread_labels(to);
        pprof_set_thread_labels(back);
    }
}

int main(void)
{
    pprof_ctx *outer = pprof_with_labels(NULL, pprof_labels("route", "/a", "user", "b", NULL));
    pprof_ctx *inner = pprof_with_labels(outer, pprof_labels("step", "x", NULL));
    double least[3] = {1e9, 1e9, 1e9};
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    for (int turn = 0; turn < TURNS; turn++) {
        double at[4];
        at[0] = now();
        pairs(inner, outer, PAIRS);
        at[1] = now();
        pairs(outer, NULL, PAIRS);
        at[2] = now();
        for (int i = 0; i < DOS; i++)
            pprof_do(outer, pprof_labels("step", "x", NULL), nothing, NULL);
        at[3] = now();
        for (int i = 0; i < 3; i++) {
            double ns = (at[i + 1] - at[i]) / (i < 2 ? PAIRS : DOS);
            least[i] = ns < least[i] ? ns : least[i];
        }
    }
    printf("pair set and restore %.1f\npair set and clear %.1f\ndo %.1f\n", least[0], least[1],
           least[2]);
    return 0;
}
