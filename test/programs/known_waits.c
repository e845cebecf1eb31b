/* SPDX-License-Identifier: MIT */
/*
 * Waits of known length on everything that a C program can wait for, all at once: each case has a
 * thread that waits, in a function called wait_<case>, and one that lets it go after a time of its
 * own, in release_<case>. Prints what each waited by its own clock and, where others are to be
 * charged, what its release held up: the truth that e2e/block_mutex.py compares with the profiles.
 */
#include "truth.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

enum { FIRST_MS = 200, LAST_MS = 700, FAR_S = 100 };

static struct timespec after(clockid_t clock, int64_t ns)
{
    int64_t at = clock_ns(clock) + ns;
    return (struct timespec){at / 1000000000, at % 1000000000};
}

/* One case: its threads, its objects, its books. */
struct box {
    const struct test *test;
    int64_t ms;
    atomic_bool held;
    int64_t waited, began, held_up; /* ns */
    atomic_bool disturbed;          /* the clock that tells them was not read at the very moment */
    pthread_t waiter, holder, target;
    thrd_t target_c11;
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_cond_t cond;
    sem_t sem;
    pthread_barrier_t barrier;
    pthread_once_t once;
    once_flag flag;
    mtx_t mtx;
    cnd_t cnd;
    atomic_int word;
    bool done;
};

struct test {
    const char *name;
    void (*make)(struct box *);
    void (*hold)(struct box *);    /* in the holder's thread, before the wait begins */
    void (*wait)(struct box *);    /* wait_<name> */
    void (*release)(struct box *); /* release_<name>, after ms */
    bool charged;                  /* the release, in mutex */
    void (*prepare)(struct box *); /* in the waiter's thread, before the wait */
};

/* ---- mutexes ---- */

static void make_mutex(struct box *b, int kind, int protocol, int shared, int robust)
{
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, kind);
    pthread_mutexattr_setprotocol(&a, protocol);
    pthread_mutexattr_setpshared(&a, shared);
    pthread_mutexattr_setrobust(&a, robust);
    must(pthread_mutex_init(&b->mutex, &a) == 0, "mutex_init");
}

static void make_normal(struct box *b)
{
    static const pthread_mutex_t initial = PTHREAD_MUTEX_INITIALIZER;
    b->mutex = initial;
}
static void make_adaptive(struct box *b)
{
    static const pthread_mutex_t initial = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    b->mutex = initial;
}
#define MAKE(name, kind, protocol, shared, robust)                                                 \
    static void make_##name(struct box *b)                                                         \
    {                                                                                              \
        make_mutex(b, kind, protocol, shared, robust);                                             \
    }
MAKE(recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, 0, 0)
MAKE(errorcheck, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, 0, 0)
MAKE(robust, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, 0, PTHREAD_MUTEX_ROBUST)
MAKE(inherit, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, 0, 0)
MAKE(shared, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED, 0)

static void hold_mutex(struct box *b)
{
    must(pthread_mutex_lock(&b->mutex) == 0, "lock");
}

static void hold_mutex_twice(struct box *b)
{
    hold_mutex(b);
    hold_mutex(b);
}

/* Keeps the frame that called: no tail call. */
static int stay(int result)
{
    __asm__ volatile("" : "+r"(result));
    return result;
}

#define WAIT(name, call)                                                                           \
    SITE void wait_##name(struct box *b)                                                           \
    {                                                                                              \
        int result = call;                                                                         \
        must(stay(result) == 0, #name);                                                            \
    }
#define RELEASE(name, call)                                                                        \
    SITE void release_##name(struct box *b)                                                        \
    {                                                                                              \
        int result = call;                                                                         \
        must(stay(result) == 0, "release of " #name);                                              \
    }
#define MUTEX(name, call)                                                                          \
    WAIT(name, call)                                                                               \
    RELEASE(name, pthread_mutex_unlock(&b->mutex))

static struct timespec scratch; /* FAR_S from the start on either clock: written once */
static struct timespec scratch_monotonic;

MUTEX(mutex_lock, pthread_mutex_lock(&b->mutex))
MUTEX(mutex_timedlock, pthread_mutex_timedlock(&b->mutex, &scratch))
MUTEX(mutex_clocklock, pthread_mutex_clocklock(&b->mutex, CLOCK_MONOTONIC, &scratch_monotonic))
MUTEX(mutex_adaptive, pthread_mutex_lock(&b->mutex))
MUTEX(mutex_errorcheck, pthread_mutex_lock(&b->mutex))
MUTEX(mutex_robust, pthread_mutex_lock(&b->mutex))
MUTEX(mutex_inherit, pthread_mutex_lock(&b->mutex))
MUTEX(mutex_shared, pthread_mutex_lock(&b->mutex))

/* The inner unlock of a recursive mutex releases nothing. */
WAIT(mutex_recursive, pthread_mutex_lock(&b->mutex))
SITE void inner_mutex_recursive(struct box *b)
{
    must(pthread_mutex_unlock(&b->mutex) == 0, "inner unlock");
}
SITE void release_mutex_recursive(struct box *b)
{
    inner_mutex_recursive(b);
    sleep_ns(50000000);
    b->held_up = clock_ns(CLOCK_MONOTONIC) - b->began;
    must(pthread_mutex_unlock(&b->mutex) == 0, "outer unlock");
}

/* The holder ends without releasing it. */
SITE void wait_mutex_dead_owner(struct box *b)
{
    must(pthread_mutex_lock(&b->mutex) == EOWNERDEAD, "EOWNERDEAD");
    must(pthread_mutex_consistent(&b->mutex) == 0, "consistent");
}
static void release_nothing(struct box *b)
{
    (void)b;
}

SITE void wait_mutex_timeout(struct box *b)
{
    struct timespec until = after(CLOCK_REALTIME, (b->ms - 100) * 1000000);
    must(pthread_mutex_timedlock(&b->mutex, &until) == ETIMEDOUT, "mutex ETIMEDOUT");
}
RELEASE(mutex_timeout, pthread_mutex_unlock(&b->mutex))

/* A condition wait ends the critical section. */
SITE void wait_mutex_of_cond(struct box *b)
{
    must(pthread_mutex_lock(&b->mutex) == 0, "lock");
    must(pthread_mutex_unlock(&b->mutex) == 0, "unlock");
}
SITE void release_mutex_of_cond(struct box *b)
{
    struct timespec until = after(CLOCK_REALTIME, 100000000);
    must(pthread_cond_timedwait(&b->cond, &b->mutex, &until) == ETIMEDOUT, "cond of mutex");
    pthread_mutex_unlock(&b->mutex);
}
static void make_cond(struct box *b)
{
    static const pthread_cond_t initial = PTHREAD_COND_INITIALIZER;
    make_normal(b);
    b->cond = initial;
}

/* The mutex is gone as soon as it is released. */
static pthread_mutex_t *page;
SITE void wait_mutex_unmapped(struct box *b)
{
    (void)b;
    must(pthread_mutex_lock(page) == 0, "lock");
    must(pthread_mutex_unlock(page) == 0, "unlock");
    munmap(page, 4096);
}
static void make_page(struct box *b)
{
    (void)b;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void hold_page(struct box *b)
{
    (void)b;
    pthread_mutex_lock(page);
}
SITE void release_mutex_unmapped(struct box *b)
{
    (void)b;
    must(pthread_mutex_unlock(page) == 0, "unlock");
}

/* ---- read-write locks ---- */

static void make_rwlock(struct box *b)
{
    static const pthread_rwlock_t initial = PTHREAD_RWLOCK_INITIALIZER;
    b->rwlock = initial;
}
static void hold_write(struct box *b)
{
    must(pthread_rwlock_wrlock(&b->rwlock) == 0, "wrlock");
}
static void hold_read(struct box *b)
{
    must(pthread_rwlock_rdlock(&b->rwlock) == 0, "rdlock");
}
#define RWLOCK(name, call)                                                                         \
    WAIT(name, call)                                                                               \
    RELEASE(name, pthread_rwlock_unlock(&b->rwlock))
RWLOCK(rdlock, pthread_rwlock_rdlock(&b->rwlock))
RWLOCK(wrlock, pthread_rwlock_wrlock(&b->rwlock))
RWLOCK(timedrdlock, pthread_rwlock_timedrdlock(&b->rwlock, &scratch))
RWLOCK(timedwrlock, pthread_rwlock_timedwrlock(&b->rwlock, &scratch))
RWLOCK(clockrdlock, pthread_rwlock_clockrdlock(&b->rwlock, CLOCK_MONOTONIC, &scratch_monotonic))
RWLOCK(clockwrlock, pthread_rwlock_clockwrlock(&b->rwlock, CLOCK_MONOTONIC, &scratch_monotonic))

/* Two readers: the last one lets the writer in. */
SITE void first_reader_leaves(struct box *b)
{
    pthread_rwlock_unlock(&b->rwlock);
}
static void *first_reader(void *arg)
{
    struct box *b = arg;
    hold_read(b);
    atomic_store(&b->word, 1);
    sleep_ns(b->ms * 500000);
    first_reader_leaves(b);
    return NULL;
}
static void hold_two_readers(struct box *b)
{
    hold_read(b);
    pthread_create(&b->target, NULL, first_reader, b);
    while (!atomic_load(&b->word))
        sleep_ns(100000);
}
WAIT(two_readers, pthread_rwlock_wrlock(&b->rwlock))
RELEASE(two_readers, pthread_rwlock_unlock(&b->rwlock))

/* ---- condition variables ---- */

static void prepare_cond(struct box *b)
{
    pthread_mutex_lock(&b->mutex);
}
static void signal_cond(struct box *b)
{
    b->done = true;
    pthread_cond_signal(&b->cond);
}
static void broadcast_cond(struct box *b)
{
    b->done = true;
    pthread_cond_broadcast(&b->cond);
}
#define COND(name, call)                                                                           \
    SITE void wait_##name(struct box *b)                                                           \
    {                                                                                              \
        while (!b->done)                                                                           \
            must(call == 0, #name);                                                                \
        pthread_mutex_unlock(&b->mutex);                                                           \
    }
COND(cond_wait, pthread_cond_wait(&b->cond, &b->mutex))
COND(cond_timedwait, pthread_cond_timedwait(&b->cond, &b->mutex, &scratch))
COND(cond_clockwait,
     pthread_cond_clockwait(&b->cond, &b->mutex, CLOCK_MONOTONIC, &scratch_monotonic))
SITE void wait_cond_timeout(struct box *b)
{
    struct timespec until = after(CLOCK_REALTIME, b->ms * 1000000);
    while (pthread_cond_timedwait(&b->cond, &b->mutex, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&b->mutex);
}

/* ---- semaphores, barriers, ends of threads, once ---- */

static void make_sem(struct box *b)
{
    sem_init(&b->sem, 0, 0);
}
static void post_sem(struct box *b)
{
    sem_post(&b->sem);
}
WAIT(sem_wait, sem_wait(&b->sem))
WAIT(sem_timedwait, sem_timedwait(&b->sem, &scratch))
WAIT(sem_clockwait, sem_clockwait(&b->sem, CLOCK_MONOTONIC, &scratch_monotonic))
SITE void wait_sem_timeout(struct box *b)
{
    struct timespec until = after(CLOCK_REALTIME, b->ms * 1000000);
    errno = 0;
    must(sem_timedwait(&b->sem, &until) == -1 && errno == ETIMEDOUT, "sem ETIMEDOUT");
}

static void make_barrier(struct box *b)
{
    pthread_barrier_init(&b->barrier, NULL, 2);
}
WAIT(barrier, pthread_barrier_wait(&b->barrier))
SITE void release_barrier(struct box *b)
{
    must(pthread_barrier_wait(&b->barrier) == PTHREAD_BARRIER_SERIAL_THREAD, "serial thread");
}

static void *sleeper(void *arg)
{
    struct box *b = arg;
    while (!atomic_load(&b->word))
        sleep_ns(200000);
    return b;
}
static void make_target(struct box *b)
{
    pthread_create(&b->target, NULL, sleeper, b);
}
static int sleeper_c11(void *arg)
{
    sleeper(arg);
    return 42;
}
static void make_target_c11(struct box *b)
{
    thrd_create(&b->target_c11, sleeper_c11, b);
}
static void end_target(struct box *b)
{
    atomic_store(&b->word, 1);
}
#define JOIN(name, call)                                                                           \
    SITE void wait_##name(struct box *b)                                                           \
    {                                                                                              \
        void *value = NULL;                                                                        \
        int result = call;                                                                         \
        must(result == 0 && value == b, #name);                                                    \
    }
JOIN(join, pthread_join(b->target, &value))
JOIN(timedjoin, pthread_timedjoin_np(b->target, &value, &scratch))
JOIN(clockjoin, pthread_clockjoin_np(b->target, &value, CLOCK_MONOTONIC, &scratch_monotonic))
SITE void wait_thrd_join(struct box *b)
{
    int value = 0;
    must(thrd_join(b->target_c11, &value) == thrd_success && value == 42, "thrd_join");
}

static struct box *box_of_once, *box_of_flag;
static void once_runs(struct box *b)
{
    atomic_store(&b->held, true);
    while (!atomic_load(&b->word))
        sleep_ns(200000);
}
static void once_routine(void)
{
    once_runs(box_of_once);
}
static void flag_routine(void)
{
    once_runs(box_of_flag);
}
static void make_once(struct box *b)
{
    static const pthread_once_t initial = PTHREAD_ONCE_INIT;
    b->once = initial;
    box_of_once = b;
}
static void make_flag(struct box *b)
{
    static const once_flag initial = ONCE_FLAG_INIT;
    b->flag = initial;
    box_of_flag = b;
}
static void *run_once(void *arg)
{
    pthread_once(&((struct box *)arg)->once, once_routine);
    return NULL;
}
static void *run_flag(void *arg)
{
    call_once(&((struct box *)arg)->flag, flag_routine);
    return NULL;
}
static void begin_in_thread(struct box *b, void *(*run)(void *))
{
    pthread_create(&b->target, NULL, run, b);
    while (!atomic_load(&b->held))
        sleep_ns(100000);
}
static void hold_once(struct box *b)
{
    begin_in_thread(b, run_once);
}
static void hold_flag(struct box *b)
{
    begin_in_thread(b, run_flag);
}
WAIT(once, pthread_once(&b->once, once_routine))
WAIT(call_once, (call_once(&b->flag, flag_routine), 0))

/* ---- C11 ---- */

static void make_mtx(struct box *b)
{
    mtx_init(&b->mtx, mtx_timed);
    cnd_init(&b->cnd);
}
static void hold_mtx(struct box *b)
{
    mtx_lock(&b->mtx);
}
WAIT(mtx_lock, mtx_lock(&b->mtx))
RELEASE(mtx_lock, mtx_unlock(&b->mtx))
WAIT(mtx_timedlock, mtx_timedlock(&b->mtx, &scratch))
RELEASE(mtx_timedlock, mtx_unlock(&b->mtx))
static void signal_cnd(struct box *b)
{
    b->done = true;
    cnd_signal(&b->cnd);
}
static void broadcast_cnd(struct box *b)
{
    b->done = true;
    cnd_broadcast(&b->cnd);
}
#define CND(name, call)                                                                            \
    SITE void wait_##name(struct box *b)                                                           \
    {                                                                                              \
        while (!b->done)                                                                           \
            must(call == thrd_success, #name);                                                     \
        mtx_unlock(&b->mtx);                                                                       \
    }
CND(cnd_wait, cnd_wait(&b->cnd, &b->mtx))
CND(cnd_timedwait, cnd_timedwait(&b->cnd, &b->mtx, &scratch))

/* ---- futex by hand ---- */

SITE void wait_futex(struct box *b)
{
    while (atomic_load(&b->word) == 0)
        syscall(SYS_futex, &b->word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0);
}
SITE void wait_futex_bitset(struct box *b)
{
    while (atomic_load(&b->word) == 0)
        syscall(SYS_futex, &b->word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, &scratch_monotonic,
                NULL, FUTEX_BITSET_MATCH_ANY);
}
static void wake_futex(struct box *b)
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

static const struct test tests[] = {
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
    struct box *b = arg;
    while (!atomic_load(&b->held))
        sleep_ns(100000);
    if (b->test->prepare)
        b->test->prepare(b);
    long before = times_preempted();
    b->began = clock_ns(CLOCK_MONOTONIC);
    b->test->wait(b);
    b->waited = clock_ns(CLOCK_MONOTONIC) - b->began;
    if (times_preempted() != before)
        atomic_store(&b->disturbed, true);
    return NULL;
}

static void *holder(void *arg)
{
    struct box *b = arg;
    if (b->test->hold)
        b->test->hold(b);
    atomic_store(&b->held, true);
    sleep_ns(b->ms * 1000000);
    long before = times_preempted();
    b->held_up = clock_ns(CLOCK_MONOTONIC) - b->began;
    b->test->release(b);
    if (times_preempted() != before)
        atomic_store(&b->disturbed, true);
    return NULL;
}

int main(void)
{
    static struct box boxes[TESTS];
    scratch = after(CLOCK_REALTIME, FAR_S * 1000000000LL);
    scratch_monotonic = after(CLOCK_MONOTONIC, FAR_S * 1000000000LL);
    for (int i = 0; i < TESTS; i++) {
        struct box *b = &boxes[i];
        b->test = &tests[i];
        b->ms = FIRST_MS + i * (LAST_MS - FIRST_MS) / (TESTS - 1);
        if (b->test->make)
            b->test->make(b);
        must(pthread_create(&b->waiter, NULL, waiter, b) == 0, "thread");
        must(pthread_create(&b->holder, NULL, holder, b) == 0, "thread");
    }
    for (int i = 0; i < TESTS; i++) {
        pthread_join(boxes[i].waiter, NULL);
        pthread_join(boxes[i].holder, NULL);
    }
    printf("{");
    for (int i = 0; i < TESTS; i++) {
        const struct box *b = &boxes[i];
        printf("%s\"%s\": {\"waited\": %ld, \"held_up\": %ld, \"disturbed\": %s}", i ? ", " : "",
               b->test->name, (long)b->waited, b->test->charged ? (long)b->held_up : 0L,
               b->disturbed ? "true" : "false");
    }
    printf("}\n");
    return 0;
}
