/* SPDX-License-Identifier: MIT */
/*
 * The specification's own example, and the one that Go's estimate gets wrong (golang/go#73760): a
 * lock held for a second while five others wait all of it, and five locks held for 1, 2, 3, 4 and
 * 5 s with one waiter each. Prints what each waited and each release held up, by the program's own
 * clock. Run by e2e/block_mutex.py.
 */
#include "truth.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MANY = 5, LOCKS = 6 };

static pthread_mutex_t locks[LOCKS];
static atomic_int held[LOCKS], waiting[LOCKS];
static atomic_int disturbed; /* a thread lost its processor around a reading of the clock */
static int64_t began[LOCKS][MANY], waited[LOCKS][MANY], held_up[LOCKS];

struct who {
    int lock, nth;
    void (*site)(pthread_mutex_t *m);
};

#define WAITER(n)                                                                                  \
    SITE void waiter_##n(pthread_mutex_t *m)                                                       \
    {                                                                                              \
        must(pthread_mutex_lock(m) == 0, "lock");                                                  \
    }
WAITER(1)
WAITER(2)
WAITER(3)
WAITER(4)
WAITER(5)
WAITER(a)
WAITER(b)
WAITER(c)
WAITER(d)
WAITER(e)
#define HOLDER(n)                                                                                  \
    SITE void holder_##n(pthread_mutex_t *m)                                                       \
    {                                                                                              \
        must(pthread_mutex_unlock(m) == 0, "unlock");                                              \
    }
HOLDER(1)
HOLDER(2)
HOLDER(3)
HOLDER(4)
HOLDER(5)
HOLDER(x)

static struct who waiters[] = {
    {0, 0, waiter_a}, {0, 1, waiter_b}, {0, 2, waiter_c}, {0, 3, waiter_d}, {0, 4, waiter_e},
    {1, 0, waiter_1}, {2, 0, waiter_2}, {3, 0, waiter_3}, {4, 0, waiter_4}, {5, 0, waiter_5},
};
static struct who holders[LOCKS] = {
    {0, 5, holder_x}, {1, 1, holder_1}, {2, 1, holder_2},
    {3, 1, holder_3}, {4, 1, holder_4}, {5, 1, holder_5},
};
enum { WAITERS = sizeof waiters / sizeof waiters[0] };

static void *wait_for(void *arg)
{
    struct who *w = arg;
    while (!atomic_load(&held[w->lock]))
        usleep(100);
    long before = times_preempted();
    int64_t t = clock_ns(CLOCK_MONOTONIC);
    began[w->lock][w->nth] = t;
    atomic_fetch_add(&waiting[w->lock], 1);
    w->site(&locks[w->lock]);
    waited[w->lock][w->nth] = clock_ns(CLOCK_MONOTONIC) - t;
    atomic_fetch_or(&disturbed, times_preempted() != before);
    must(pthread_mutex_unlock(&locks[w->lock]) == 0,
         "unlock"); /* held for a few µs, then the next waiter's turn */
    return NULL;
}

static void *hold(void *arg)
{
    struct who *w = arg;
    int seconds = w->lock ? w->lock : 1;
    pthread_mutex_lock(&locks[w->lock]);
    atomic_store(&held[w->lock], 1);
    while (atomic_load(&waiting[w->lock]) < w->nth)
        usleep(100);
    usleep(seconds * 1000000);
    long before = times_preempted();
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < w->nth; i++)
        held_up[w->lock] += now - began[w->lock][i];
    w->site(&locks[w->lock]);
    atomic_fetch_or(&disturbed, times_preempted() != before);
    return NULL;
}

int main(void)
{
    pthread_t threads[WAITERS + LOCKS];
    for (int i = 0; i < LOCKS; i++)
        pthread_create(&threads[i], NULL, hold, &holders[i]);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[LOCKS + i], NULL, wait_for, &waiters[i]);
    for (int i = 0; i < WAITERS + LOCKS; i++)
        pthread_join(threads[i], NULL);
    printf("{");
    for (int i = 0; i < WAITERS; i++)
        printf("\"waiter_%c\": %ld, ", "abcde12345"[i],
               (long)waited[waiters[i].lock][waiters[i].nth]);
    for (int i = 0; i < LOCKS; i++)
        printf("\"holder_%c\": %ld, ", "x12345"[i], (long)held_up[i]);
    printf("\"disturbed\": %s}\n", disturbed ? "true" : "false");
    return 0;
}
