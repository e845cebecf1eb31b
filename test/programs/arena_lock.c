/* SPDX-License-Identifier: MIT */
/*
 * Threads that wait for each other inside the allocator: they share one arena (the script sets that
 * in the environment), and their objects are too large for the threads' own caches and are freed by
 * another thread than the one that allocated them. Run by e2e/block_allocator.py as
 * `arena_lock MODE SECONDS`:
 *   census  another thread counts the heap's chunks again and again, for which glibc holds the
 *           arena's lock for milliseconds
 *   calm    without that thread
 *   busy    without that thread, and without pauses between the allocations
 *   alone   one thread, which no other can keep waiting
 * Prints how many calls put their thread to sleep, for how long, and the sum of the squares of
 * that, by the thread's own clock around each call.
 */
#include "truth.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, SIZE = 3000, SLOTS = 256, CHUNKS = 200000 };

static _Atomic(void *) slots[SLOTS];
static _Atomic int64_t calls, waits, waited_ns;
static double squares[THREADS];
static int64_t until, pause_ns;

static long sleeps(void)
{
    struct rusage used;
    getrusage(RUSAGE_THREAD, &used);
    return used.ru_nvcsw;
}

SITE void *allocate(void)
{
    void *p = malloc(SIZE);
    keep(p);
    return p;
}
SITE void release(void *p)
{
    free(p);
    __asm__ volatile(""); /* no tail call */
}

static void *work(void *arg)
{
    int nth = (int)(intptr_t)arg;
    int64_t n = 0, slept = 0, ns = 0;
    for (unsigned i = (unsigned)nth * 977; clock_ns(CLOCK_MONOTONIC) < until; i += 31) {
        void *p = NULL;
        if (pause_ns)
            sleep_ns(pause_ns);
        for (int turn = 0; turn < 2; turn++) {
            long before = sleeps();
            int64_t t = clock_ns(CLOCK_MONOTONIC);
            if (turn == 0)
                p = allocate();
            else
                release(p);
            t = clock_ns(CLOCK_MONOTONIC) - t;
            n++;
            if (sleeps() > before) {
                slept++;
                ns += t;
                squares[nth] += (double)t * (double)t;
            }
            if (turn == 0)
                p = atomic_exchange(&slots[i % SLOTS], p);
        }
    }
    calls += n;
    waits += slept;
    waited_ns += ns;
    return NULL;
}

static void *count_chunks(void *arg)
{
    while (clock_ns(CLOCK_MONOTONIC) < until) {
        keep((void *)mallinfo2().fordblks);
        sleep_ns(3000000);
    }
    return arg;
}

static void *chunks[CHUNKS];

static int alone(void)
{
    enum { LARGE = 100000, N = 50 };
    while (clock_ns(CLOCK_MONOTONIC) < until) {
        for (int i = 0; i < N; i++)
            chunks[i] = calloc(1, LARGE);
        for (int i = 0; i < N; i++)
            free(chunks[i]);
        sleep_ns(10000000);
    }
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS], census;
    double sum = 0;
    must(argc == 3, "arguments");
    until = clock_ns(CLOCK_MONOTONIC) + atoll(argv[2]) * 1000000000;
    if (strcmp(argv[1], "alone") == 0)
        return alone();
    int counts = strcmp(argv[1], "census") == 0;
    for (int i = 0; i < (counts ? CHUNKS : 0); i++)
        chunks[i] = malloc(1100);
    for (int i = 0; i < (counts ? CHUNKS : 0); i += 2)
        free(chunks[i]);
    pause_ns = strcmp(argv[1], "busy") == 0
                   ? 0
                   : 100000; /* threads on all processors would wait for a processor, too */
    until = clock_ns(CLOCK_MONOTONIC) + atoll(argv[2]) * 1000000000;
    if (counts)
        pthread_create(&census, NULL, count_chunks, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += squares[i];
    }
    if (counts)
        pthread_join(census, NULL);
    printf("{\"calls\": %ld, \"waits\": %ld, \"ns\": %ld, \"squares\": %.0f, \"size\": %d}\n",
           (long)calls, (long)waits, (long)waited_ns, sum, SIZE);
    return 0;
}
