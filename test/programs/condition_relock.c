/* SPDX-License-Identifier: MIT */
/*
 * Threads that come out of a condition wait and find their mutex held: the mutex profile charges
 * the unlock of the thread that held it with their waiting. Prints, for each site of such an
 * unlock, for how many ns it kept others waiting by the program's own clock, and an upper bound for
 * the unlocks right after a signal, which mostly keep no thread waiting. Run by
 * e2e/block_conditions.py.
 */
#include "truth.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <threads.h>

enum { HERD = 4, QUICK = 20000 };
static const int64_t MS = 1000000;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static mtx_t mtx;
static cnd_t cnd;
static atomic_int asleep, back;
static int going;
static int64_t until_unlock, back_at[HERD];
static int64_t quick_bound;

static struct timespec in_ns(int64_t ns)
{
    int64_t t = clock_ns(CLOCK_REALTIME) + ns;
    return (struct timespec){t / 1000000000, t % 1000000000};
}

/* Waits until n threads sleep on the condition: each has counted itself with the mutex held, and
 * the wait has released it since. */
static void await_asleep(int n)
{
    while (atomic_load(&asleep) < n)
        sleep_ns(MS);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

/* Each woken thread holds the mutex for 50 ms while the rest go on waiting for it. */
SITE void unlock_of_herd(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock of herd");
}
static void *sleeper(void *arg)
{
    int herd = arg != NULL;
    pthread_mutex_lock(&mutex);
    asleep++;
    while (!going)
        pthread_cond_wait(&cond, &mutex);
    going -= !herd;
    int nth = back++;
    if (herd) {
        back_at[nth] = clock_ns(CLOCK_MONOTONIC);
        sleep_ns(50 * MS);
        until_unlock += (HERD - 1 - nth) * (clock_ns(CLOCK_MONOTONIC) - back_at[nth]);
        unlock_of_herd();
    } else {
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void begin(pthread_t *threads, int n, void *(*run)(void *), void *arg)
{
    asleep = back = going = 0;
    for (int i = 0; i < n; i++)
        pthread_create(&threads[i], NULL, run, arg);
    await_asleep(n);
}
static void join(const pthread_t *threads, int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* ---- signalled, then held on ---- */

SITE void unlock_of_signaller(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}
static int64_t signal_and_hold(void)
{
    pthread_t thread[1];
    begin(thread, 1, sleeper, NULL);
    pthread_mutex_lock(&mutex);
    going = 1;
    pthread_cond_signal(&cond);
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    sleep_ns(300 * MS);
    int64_t held = clock_ns(CLOCK_MONOTONIC) - began;
    unlock_of_signaller();
    join(thread, 1);
    return held;
}

/* ---- all woken at once: the signalling thread, then each woken one, keeps the rest waiting ----
 */

SITE void unlock_of_broadcaster(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}
static int64_t broadcast_and_hold(void)
{
    pthread_t threads[HERD];
    begin(threads, HERD, sleeper, threads);
    until_unlock = 0;
    pthread_mutex_lock(&mutex);
    going = 1;
    pthread_cond_broadcast(&cond);
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    sleep_ns(200 * MS);
    int64_t held = clock_ns(CLOCK_MONOTONIC) - began;
    unlock_of_broadcaster();
    join(threads, HERD);
    return HERD * held;
}

/* ---- signalled by a thread that does not hold the mutex, while another one does ---- */

static atomic_int third_has_it, third_may_go;
static int64_t third_signalled, third_held;
SITE void unlock_of_third(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}
static void *third(void *arg)
{
    pthread_mutex_lock(&mutex);
    going = 1;
    third_has_it = 1;
    while (!third_may_go)
        sleep_ns(MS);
    sleep_ns(200 * MS);
    third_held = clock_ns(CLOCK_MONOTONIC) - third_signalled;
    unlock_of_third();
    return arg;
}
static int64_t signal_from_outside(void)
{
    pthread_t thread[1], other;
    begin(thread, 1, sleeper, NULL);
    pthread_create(&other, NULL, third, NULL);
    while (!third_has_it)
        sleep_ns(MS);
    pthread_cond_signal(&cond);
    third_signalled = clock_ns(CLOCK_MONOTONIC);
    third_may_go = 1;
    join(thread, 1);
    pthread_join(other, NULL);
    return third_held;
}

/* ---- C11 ---- */

static void *c11_sleeper(void *arg)
{
    mtx_lock(&mtx);
    asleep++;
    while (!going)
        cnd_wait(&cnd, &mtx);
    mtx_unlock(&mtx);
    return arg;
}
SITE void unlock_of_c11(void)
{
    must(mtx_unlock(&mtx) == thrd_success, "unlock");
}
static int64_t c11_hold(void)
{
    pthread_t threads[2];
    mtx_init(&mtx, mtx_plain);
    cnd_init(&cnd);
    begin(threads, 2, c11_sleeper, NULL);
    mtx_lock(&mtx);
    going = 1;
    cnd_signal(&cnd);
    cnd_broadcast(&cnd);
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    sleep_ns(200 * MS);
    int64_t held = clock_ns(CLOCK_MONOTONIC) - began;
    unlock_of_c11();
    join(threads, 2);
    return 2 * held;
}

/* ---- waits for which no unlock may be charged, and which must leave no waiter counted ---- */

static void *times_out(void *arg)
{
    struct timespec until = in_ns(50 * MS);
    pthread_mutex_lock(&mutex);
    asleep++;
    while (pthread_cond_timedwait(&cond, &mutex, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&mutex);
    return arg;
}
static void unlock_it(void *arg)
{
    pthread_mutex_unlock(arg);
}
static void *is_cancelled(void *arg)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock_it, &mutex);
    asleep++;
    for (;;)
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
    return arg;
}

/* A wait is cancelled, then the memory of its mutex is unmapped and the condition is signalled
 * again. */
static atomic_bool gone, signalled;
static void unmap_it(void *arg)
{
    must(pthread_mutex_unlock(arg) == 0 && munmap(arg, sizeof mutex) == 0, "munmap");
    gone = true;
    while (!signalled)
        sleep_ns(MS);
}
static void *is_cancelled_and_unmaps(void *arg)
{
    pthread_mutex_lock(arg);
    pthread_cleanup_push(unmap_it, arg);
    asleep++;
    for (;;)
        pthread_cond_wait(&cond, arg);
    pthread_cleanup_pop(1);
    return arg;
}
static void signal_where_the_mutex_is_gone(void)
{
    void *page =
        mmap(NULL, sizeof mutex, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(page != MAP_FAILED && pthread_mutex_init(page, NULL) == 0, "mmap");
    pthread_t thread;
    begin(&thread, 1, is_cancelled_and_unmaps, page);
    pthread_mutex_lock(page);
    pthread_mutex_unlock(page); /* once the lock is had, the other thread sleeps in its wait */
    pthread_cancel(thread);
    while (!gone)
        sleep_ns(MS);
    pthread_cond_signal(&cond);
    pthread_cond_broadcast(&cond);
    signalled = true;
    join(&thread, 1);
}
SITE void unlock_of_nobody(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}
static void leave_nobody(void)
{
    pthread_t threads[2];
    begin(threads, 2, times_out, NULL);
    join(threads, 2);
    begin(threads, 2, is_cancelled, NULL);
    pthread_cancel(threads[0]);
    pthread_cancel(threads[1]);
    join(threads, 2);
    signal_where_the_mutex_is_gone();
    pthread_cond_broadcast(&cond);
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        if (i < 10) {
            sleep_ns(MS);
            pthread_cond_broadcast(&cond);
        }
        unlock_of_nobody();
    }
}

/* ---- unlock right after the signal, often: never charged more than the time between the two ----
 */

static void *quick_sleeper(void *arg)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < QUICK; i++) {
        asleep = 1;
        while (!going)
            pthread_cond_wait(&cond, &mutex);
        going = 0;
    }
    pthread_mutex_unlock(&mutex);
    return arg;
}
SITE void unlock_of_quick(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}
static void quick_signals(void)
{
    pthread_t thread;
    asleep = going = 0;
    pthread_create(&thread, NULL, quick_sleeper, NULL);
    for (int i = 0; i < QUICK;) {
        pthread_mutex_lock(&mutex);
        if (!asleep) {
            pthread_mutex_unlock(&mutex);
            continue;
        }
        asleep = 0;
        going = 1;
        i++;
        int64_t began = clock_ns(CLOCK_MONOTONIC);
        pthread_cond_signal(&cond);
        unlock_of_quick();
        quick_bound += clock_ns(CLOCK_MONOTONIC) - began;
    }
    pthread_join(thread, NULL);
}

/* ---- many sleepers, signals without the mutex; when all are idle, two other threads contend ----
 */

enum { CONSUMERS = 8, PRODUCERS = 3, PRODUCED = 20000 };
static int items, produced_all;
static atomic_int idle_phase_over;
static int64_t idle_phase;

static void *consumer(void *arg)
{
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (items == 0 && !idle_phase_over)
            pthread_cond_wait(&cond, &mutex);
        if (items == 0)
            break;
        items--;
    }
    pthread_mutex_unlock(&mutex);
    return arg;
}
static void *producer(void *arg)
{
    for (int i = 0; i < PRODUCED; i++) {
        pthread_mutex_lock(&mutex);
        items++;
        pthread_mutex_unlock(&mutex);
        pthread_cond_signal(&cond);
        if (i % 3 == 0)
            pthread_cond_signal(&cond); /* mostly no thread waits for it */
    }
    return arg;
}
SITE void unlock_of_idle_phase(void)
{
    must(pthread_mutex_unlock(&mutex) == 0, "unlock");
}
static void *contender(void *arg)
{
    while (!idle_phase_over) {
        pthread_mutex_lock(&mutex);
        spin_a_little();
        unlock_of_idle_phase();
    }
    return arg;
}
static void idle_consumers(void)
{
    pthread_t consumers[CONSUMERS], producers[PRODUCERS], contenders[2];
    for (int i = 0; i < CONSUMERS; i++)
        pthread_create(&consumers[i], NULL, consumer, NULL);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, producer, NULL);
    join(producers, PRODUCERS);
    while (!produced_all) {
        pthread_mutex_lock(&mutex);
        produced_all = items == 0;
        pthread_mutex_unlock(&mutex);
    }
    sleep_ns(100 * MS); /* until the last of them sleeps */
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++)
        pthread_create(&contenders[i], NULL, contender, NULL);
    sleep_ns(1000 * MS);
    idle_phase_over = 1;
    join(contenders, 2);
    idle_phase = clock_ns(CLOCK_MONOTONIC) - began;
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    join(consumers, CONSUMERS);
}

/* ---- after a queue ---- */

enum { PAIRS = 4, ROOM = 2, HOLDS = 10 };
static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_room = PTHREAD_COND_INITIALIZER, has_goods = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t held;
static int goods;
static atomic_bool queue_over;
static _Atomic int64_t locker_came;

/* Signals without the mutex. Some wake threads that the library has not yet seen sleeping, which
 * then compete for the mutex with those of the other condition. */
static void *queue(void *arg)
{
    bool fills = arg != NULL;
    while (!queue_over) {
        pthread_mutex_lock(&queue_mutex);
        while (!queue_over && (fills ? goods >= ROOM : goods <= 0))
            pthread_cond_wait(fills ? &has_room : &has_goods, &queue_mutex);
        goods += fills ? 1 : -1;
        pthread_mutex_unlock(&queue_mutex);
        pthread_cond_signal(fills ? &has_goods : &has_room);
    }
    return NULL;
}

static void *locker(void *arg)
{
    for (int i = 0; i < HOLDS; i++) {
        pthread_barrier_wait(&held);
        locker_came = clock_ns(CLOCK_MONOTONIC);
        pthread_mutex_lock(&queue_mutex);
        pthread_mutex_unlock(&queue_mutex);
    }
    return arg;
}

SITE void unlock_after_queue(void)
{
    must(pthread_mutex_unlock(&queue_mutex) == 0, "unlock after queue");
}

/* The queue's threads have ended and must have left no waiter counted: only the locker waits. */
static int64_t hold_after_queue(void)
{
    pthread_t threads[2 * PAIRS], other;
    int64_t kept = 0;
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_create(&threads[i], NULL, queue, i % 2 ? &goods : NULL);
    sleep_ns(1000 * MS);
    queue_over = true;
    for (int i = 0; i < 10; i++) { /* repeated, for threads that are about to sleep */
        pthread_cond_broadcast(&has_room);
        pthread_cond_broadcast(&has_goods);
        sleep_ns(10 * MS);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_init(&held, NULL, 2);
    pthread_create(&other, NULL, locker, NULL);
    for (int i = 0; i < HOLDS; i++) {
        sleep_ns(20 * MS);
        pthread_mutex_lock(&queue_mutex);
        pthread_barrier_wait(&held);
        sleep_ns(5 * MS);
        kept += clock_ns(CLOCK_MONOTONIC) - locker_came;
        unlock_after_queue();
    }
    pthread_join(other, NULL);
    return kept;
}

int main(void)
{
    int64_t signaller = signal_and_hold();
    int64_t broadcaster = broadcast_and_hold();
    int64_t herd = until_unlock;
    int64_t outside = signal_from_outside();
    int64_t c11 = c11_hold();
    leave_nobody();
    quick_signals();
    idle_consumers();
    int64_t after_queue = hold_after_queue();
    printf("{\"idle_phase\": %ld, ", (long)idle_phase);
    printf("\"unlock_of_signaller\": %ld, \"unlock_of_broadcaster\": %ld, \"unlock_of_herd\": %ld, "
           "\"unlock_of_third\": %ld, \"unlock_of_c11\": %ld, \"unlock_after_queue\": %ld, "
           "\"bound\": %ld, \"n\": %d}\n",
           (long)signaller, (long)broadcaster, (long)herd, (long)outside, (long)c11,
           (long)after_queue, (long)quick_bound, QUICK);
    return 0;
}
