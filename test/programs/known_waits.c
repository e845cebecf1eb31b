/* SPDX-License-Identifier: MIT */
/*
 * Waits of known length on everything that a C program can wait for, all at once: each case has a
 * thread that waits, in a function called wait_<case>, and one that ends the wait after a time that
 * differs for each case, in release_<case>. Prints what each waited by its own clock and, where
 * mutex must charge the release, how long that kept others waiting. e2e/block_mutex.py compares the
 * profiles with that.
 */
#include "known_waits_locks.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_MS = 200, LAST_MS = 700, FAR_S = 100 };

/* ---- condition variables ---- */

static void prepare_cond(struct known_wait *b)
{
    pthread_mutex_lock(&b->mutex);
}
static void signal_cond(struct known_wait *b)
{
    b->done = true;
    pthread_cond_signal(&b->cond);
}
static void broadcast_cond(struct known_wait *b)
{
    b->done = true;
    pthread_cond_broadcast(&b->cond);
}
#define COND(name, call)                                                                           \
    SITE void wait_##name(struct known_wait *b)                                                    \
    {                                                                                              \
        while (!b->done)                                                                           \
            must(call == 0, #name);                                                                \
        pthread_mutex_unlock(&b->mutex);                                                           \
    }
COND(cond_wait, pthread_cond_wait(&b->cond, &b->mutex))
COND(cond_timedwait, pthread_cond_timedwait(&b->cond, &b->mutex, &scratch))
COND(cond_clockwait,
     pthread_cond_clockwait(&b->cond, &b->mutex, CLOCK_MONOTONIC, &scratch_monotonic))
SITE void wait_cond_timeout(struct known_wait *b)
{
    struct timespec until = after(CLOCK_REALTIME, b->ms * 1000000);
    while (pthread_cond_timedwait(&b->cond, &b->mutex, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&b->mutex);
}

/* ---- semaphores, barriers, ends of threads, once ---- */

static void make_sem(struct known_wait *b)
{
    sem_init(&b->sem, 0, 0);
}
static void post_sem(struct known_wait *b)
{
    sem_post(&b->sem);
}
WAIT(sem_wait, sem_wait(&b->sem))
WAIT(sem_timedwait, sem_timedwait(&b->sem, &scratch))
WAIT(sem_clockwait, sem_clockwait(&b->sem, CLOCK_MONOTONIC, &scratch_monotonic))
SITE void wait_sem_timeout(struct known_wait *b)
{
    struct timespec until = after(CLOCK_REALTIME, b->ms * 1000000);
    errno = 0;
    must(sem_timedwait(&b->sem, &until) == -1 && errno == ETIMEDOUT, "sem ETIMEDOUT");
}

static void make_barrier(struct known_wait *b)
{
    pthread_barrier_init(&b->barrier, NULL, 2);
}
WAIT(barrier, pthread_barrier_wait(&b->barrier))
SITE void release_barrier(struct known_wait *b)
{
    must(pthread_barrier_wait(&b->barrier) == PTHREAD_BARRIER_SERIAL_THREAD, "serial thread");
}

static void *sleeper(void *arg)
{
    struct known_wait *b = arg;
    while (!atomic_load(&b->word))
        sleep_ns(200000);
    return b;
}
static void make_target(struct known_wait *b)
{
    pthread_create(&b->target, NULL, sleeper, b);
}
static int sleeper_c11(void *arg)
{
    sleeper(arg);
    return 42;
}
static void make_target_c11(struct known_wait *b)
{
    thrd_create(&b->target_c11, sleeper_c11, b);
}
static void end_target(struct known_wait *b)
{
    atomic_store(&b->word, 1);
}
#define JOIN(name, call)                                                                           \
    SITE void wait_##name(struct known_wait *b)                                                    \
    {                                                                                              \
        void *value = NULL;                                                                        \
        int result = call;                                                                         \
        must(result == 0 && value == b, #name);                                                    \
    }
JOIN(join, pthread_join(b->target, &value))
JOIN(timedjoin, pthread_timedjoin_np(b->target, &value, &scratch))
JOIN(clockjoin, pthread_clockjoin_np(b->target, &value, CLOCK_MONOTONIC, &scratch_monotonic))
SITE void wait_thrd_join(struct known_wait *b)
{
    int value = 0;
    must(thrd_join(b->target_c11, &value) == thrd_success && value == 42, "thrd_join");
}

static struct known_wait *wait_of_once, *wait_of_flag;
static void once_runs(struct known_wait *b)
{
    atomic_store(&b->held, true);
    while (!atomic_load(&b->word))
        sleep_ns(200000);
}
static void once_routine(void)
{
    once_runs(wait_of_once);
}
static void flag_routine(void)
{
    once_runs(wait_of_flag);
}
static void make_once(struct known_wait *b)
{
    static const pthread_once_t initial = PTHREAD_ONCE_INIT;
    b->once = initial;
    wait_of_once = b;
}
static void make_flag(struct known_wait *b)
{
    static const once_flag initial = ONCE_FLAG_INIT;
    b->flag = initial;
    wait_of_flag = b;
}
static void *run_once(void *arg)
{
    pthread_once(&((struct known_wait *)arg)->once, once_routine);
    return NULL;
}
static void *run_flag(void *arg)
{
    call_once(&((struct known_wait *)arg)->flag, flag_routine);
    return NULL;
}
static void begin_in_thread(struct known_wait *b, void *(*run)(void *))
{
    pthread_create(&b->target, NULL, run, b);
    while (!atomic_load(&b->held))
        sleep_ns(100000);
}
static void hold_once(struct known_wait *b)
{
    begin_in_thread(b, run_once);
}
static void hold_flag(struct known_wait *b)
{
    begin_in_thread(b, run_flag);
}
WAIT(once, pthread_once(&b->once, once_routine))
WAIT(call_once, (call_once(&b->flag, flag_routine), 0))

/* ---- C11 ---- */

static void make_mtx(struct known_wait *b)
{
    mtx_init(&b->mtx, mtx_timed);
    cnd_init(&b->cnd);
}
static void hold_mtx(struct known_wait *b)
{
    mtx_lock(&b->mtx);
}
WAIT(mtx_lock, mtx_lock(&b->mtx))
RELEASE(mtx_lock, mtx_unlock(&b->mtx))
WAIT(mtx_timedlock, mtx_timedlock(&b->mtx, &scratch))
RELEASE(mtx_timedlock, mtx_unlock(&b->mtx))
static void signal_cnd(struct known_wait *b)
{
    b->done = true;
    cnd_signal(&b->cnd);
}
static void broadcast_cnd(struct known_wait *b)
{
    b->done = true;
    cnd_broadcast(&b->cnd);
}
#define CND(name, call)                                                                            \
    SITE void wait_##name(struct known_wait *b)                                                    \
    {                                                                                              \
        while (!b->done)                                                                           \
            must(call == thrd_success, #name);                                                     \
        mtx_unlock(&b->mtx);                                                                       \
    }
CND(cnd_wait, cnd_wait(&b->cnd, &b->mtx))
CND(cnd_timedwait, cnd_timedwait(&b->cnd, &b->mtx, &scratch))

/* ---- futex by hand ---- */

SITE void wait_futex(struct known_wait *b)
{
    while (atomic_load(&b->word) == 0)
        syscall(SYS_futex, &b->word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0);
}
SITE void wait_futex_bitset(struct known_wait *b)
{
    while (atomic_load(&b->word) == 0)
        syscall(SYS_futex, &b->word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, &scratch_monotonic,
                NULL, FUTEX_BITSET_MATCH_ANY);
}
static void wake_futex(struct known_wait *b)
{
    atomic_store(&b->word, 1);
    syscall(SYS_futex, &b->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
}

/* ---- the cases ---- */

#define LOCK_CASE(name, make, hold)                                                                \
    {                                                                                              \
#name, make, hold, wait_##name, release_##name, true, NULL                                 \
    }
#define OTHER_CASE(name, make, release)                                                            \
    {                                                                                              \
#name, make, NULL, wait_##name, release, false, NULL                                       \
    }
#define COND_CASE(name, make, release, prepare)                                                    \
    {                                                                                              \
#name, make, NULL, wait_##name, release, false, prepare                                    \
    }

static const struct wait_case tests[] = {
    LOCK_CASE(mutex_lock, make_normal, hold_mutex),
    LOCK_CASE(mutex_timedlock, make_normal, hold_mutex),
    LOCK_CASE(mutex_clocklock, make_normal, hold_mutex),
    LOCK_CASE(mutex_adaptive, make_adaptive, hold_mutex),
    LOCK_CASE(mutex_errorcheck, make_errorcheck, hold_mutex),
    LOCK_CASE(mutex_recursive, make_recursive, hold_mutex_twice),
    LOCK_CASE(mutex_robust, make_robust, hold_mutex),
    LOCK_CASE(mutex_inherit, make_inherit, hold_mutex),
    LOCK_CASE(mutex_shared, make_shared, hold_mutex),
    LOCK_CASE(mutex_of_cond, make_cond, hold_mutex),
    LOCK_CASE(mutex_unmapped, make_page, hold_page),
    {"mutex_dead_owner", make_robust, hold_mutex, wait_mutex_dead_owner, release_nothing, false,
     NULL},
    {"mutex_timeout", make_normal, hold_mutex, wait_mutex_timeout, release_mutex_timeout, false,
     NULL},
    LOCK_CASE(rdlock, make_rwlock, hold_write),
    LOCK_CASE(wrlock, make_rwlock, hold_write),
    LOCK_CASE(timedrdlock, make_rwlock, hold_write),
    LOCK_CASE(timedwrlock, make_rwlock, hold_read),
    LOCK_CASE(clockrdlock, make_rwlock, hold_write),
    LOCK_CASE(clockwrlock, make_rwlock, hold_read),
    LOCK_CASE(two_readers, make_rwlock, hold_two_readers),
    COND_CASE(cond_wait, make_cond, signal_cond, prepare_cond),
    COND_CASE(cond_timedwait, make_cond, broadcast_cond, prepare_cond),
    COND_CASE(cond_clockwait, make_cond, signal_cond, prepare_cond),
    COND_CASE(cond_timeout, make_cond, release_nothing, prepare_cond),
    OTHER_CASE(sem_wait, make_sem, post_sem),
    OTHER_CASE(sem_timedwait, make_sem, post_sem),
    OTHER_CASE(sem_clockwait, make_sem, post_sem),
    OTHER_CASE(sem_timeout, make_sem, release_nothing),
    OTHER_CASE(barrier, make_barrier, release_barrier),
    OTHER_CASE(join, make_target, end_target),
    OTHER_CASE(timedjoin, make_target, end_target),
    OTHER_CASE(clockjoin, make_target, end_target),
    OTHER_CASE(thrd_join, make_target_c11, end_target),
    {"once", make_once, hold_once, wait_once, end_target, false, NULL},
    {"call_once", make_flag, hold_flag, wait_call_once, end_target, false, NULL},
    LOCK_CASE(mtx_lock, make_mtx, hold_mtx),
    LOCK_CASE(mtx_timedlock, make_mtx, hold_mtx),
    COND_CASE(cnd_wait, make_mtx, signal_cnd, hold_mtx),
    COND_CASE(cnd_timedwait, make_mtx, broadcast_cnd, hold_mtx),
    OTHER_CASE(futex, NULL, wake_futex),
    OTHER_CASE(futex_bitset, NULL, wake_futex),
};
enum { TESTS = sizeof tests / sizeof tests[0] };

static void *waiter(void *arg)
{
    struct known_wait *b = arg;
    while (!atomic_load(&b->held))
        sleep_ns(100000);
    if (b->kind->prepare)
        b->kind->prepare(b);
    long before = times_preempted();
    b->began = clock_ns(CLOCK_MONOTONIC);
    b->kind->wait(b);
    b->waited = clock_ns(CLOCK_MONOTONIC) - b->began;
    if (times_preempted() != before)
        atomic_store(&b->disturbed, true);
    return NULL;
}

static void *holder(void *arg)
{
    struct known_wait *b = arg;
    if (b->kind->hold)
        b->kind->hold(b);
    atomic_store(&b->held, true);
    sleep_ns(b->ms * 1000000);
    long before = times_preempted();
    b->held_up = clock_ns(CLOCK_MONOTONIC) - b->began;
    b->kind->release(b);
    if (times_preempted() != before)
        atomic_store(&b->disturbed, true);
    return NULL;
}

int main(void)
{
    static struct known_wait waits[TESTS];
    scratch = after(CLOCK_REALTIME, FAR_S * 1000000000LL);
    scratch_monotonic = after(CLOCK_MONOTONIC, FAR_S * 1000000000LL);
    for (int i = 0; i < TESTS; i++) {
        struct known_wait *b = &waits[i];
        b->kind = &tests[i];
        b->ms = FIRST_MS + i * (LAST_MS - FIRST_MS) / (TESTS - 1);
        if (b->kind->make)
            b->kind->make(b);
        must(pthread_create(&b->waiter, NULL, waiter, b) == 0, "thread");
        must(pthread_create(&b->holder, NULL, holder, b) == 0, "thread");
    }
    for (int i = 0; i < TESTS; i++) {
        pthread_join(waits[i].waiter, NULL);
        pthread_join(waits[i].holder, NULL);
    }
    printf("{");
    for (int i = 0; i < TESTS; i++) {
        const struct known_wait *b = &waits[i];
        printf("%s\"%s\": {\"waited\": %ld, \"held_up\": %ld, \"disturbed\": %s}", i ? ", " : "",
               b->kind->name, (long)b->waited, b->kind->charged ? (long)b->held_up : 0L,
               b->disturbed ? "true" : "false");
    }
    printf("}\n");
    return 0;
}
