/* SPDX-License-Identifier: MIT
 * The cases of known_waits.c that wait for a mutex or a read-write lock. Included there, once.
 */
#ifndef TEST_PROGRAMS_KNOWN_WAITS_LOCKS_H
#define TEST_PROGRAMS_KNOWN_WAITS_LOCKS_H

#include "known_waits_case.h"
#include <errno.h>
#include <sys/mman.h>

/* ---- mutexes ---- */

static void make_mutex(struct known_wait *b, int kind, int protocol, int shared, int robust)
{
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, kind);
    pthread_mutexattr_setprotocol(&a, protocol);
    pthread_mutexattr_setpshared(&a, shared);
    pthread_mutexattr_setrobust(&a, robust);
    must(pthread_mutex_init(&b->mutex, &a) == 0, "mutex_init");
}

static void make_normal(struct known_wait *b)
{
    static const pthread_mutex_t initial = PTHREAD_MUTEX_INITIALIZER;
    b->mutex = initial;
}
static void make_adaptive(struct known_wait *b)
{
    static const pthread_mutex_t initial = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    b->mutex = initial;
}
#define MAKE(name, kind, protocol, shared, robust)                                                 \
    static void make_##name(struct known_wait *b)                                                  \
    {                                                                                              \
        make_mutex(b, kind, protocol, shared, robust);                                             \
    }
MAKE(recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, 0, 0)
MAKE(errorcheck, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, 0, 0)
MAKE(robust, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, 0, PTHREAD_MUTEX_ROBUST)
MAKE(inherit, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, 0, 0)
MAKE(shared, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED, 0)

static void hold_mutex(struct known_wait *b)
{
    must(pthread_mutex_lock(&b->mutex) == 0, "lock");
}

static void hold_mutex_twice(struct known_wait *b)
{
    hold_mutex(b);
    hold_mutex(b);
}

#define MUTEX(name, call)                                                                          \
    WAIT(name, call)                                                                               \
    RELEASE(name, pthread_mutex_unlock(&b->mutex))

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
SITE void inner_mutex_recursive(struct known_wait *b)
{
    must(pthread_mutex_unlock(&b->mutex) == 0, "inner unlock");
}
SITE void release_mutex_recursive(struct known_wait *b)
{
    inner_mutex_recursive(b);
    sleep_ns(50000000);
    b->held_up = clock_ns(CLOCK_MONOTONIC) - b->began;
    must(pthread_mutex_unlock(&b->mutex) == 0, "outer unlock");
}

/* The holder ends without releasing it. */
SITE void wait_mutex_dead_owner(struct known_wait *b)
{
    must(pthread_mutex_lock(&b->mutex) == EOWNERDEAD, "EOWNERDEAD");
    must(pthread_mutex_consistent(&b->mutex) == 0, "consistent");
}
static void release_nothing(struct known_wait *b)
{
    (void)b;
}

SITE void wait_mutex_timeout(struct known_wait *b)
{
    struct timespec until = after(CLOCK_REALTIME, (b->ms - 100) * 1000000);
    must(pthread_mutex_timedlock(&b->mutex, &until) == ETIMEDOUT, "mutex ETIMEDOUT");
}
RELEASE(mutex_timeout, pthread_mutex_unlock(&b->mutex))

/* A condition wait ends the critical section. */
SITE void wait_mutex_of_cond(struct known_wait *b)
{
    must(pthread_mutex_lock(&b->mutex) == 0, "lock");
    must(pthread_mutex_unlock(&b->mutex) == 0, "unlock");
}
SITE void release_mutex_of_cond(struct known_wait *b)
{
    struct timespec until = after(CLOCK_REALTIME, 100000000);
    must(pthread_cond_timedwait(&b->cond, &b->mutex, &until) == ETIMEDOUT, "cond of mutex");
    pthread_mutex_unlock(&b->mutex);
}
static void make_cond(struct known_wait *b)
{
    static const pthread_cond_t initial = PTHREAD_COND_INITIALIZER;
    make_normal(b);
    b->cond = initial;
}

/* The mutex is gone as soon as it is released. */
static pthread_mutex_t *page;
SITE void wait_mutex_unmapped(struct known_wait *b)
{
    (void)b;
    must(pthread_mutex_lock(page) == 0, "lock");
    must(pthread_mutex_unlock(page) == 0, "unlock");
    munmap(page, 4096);
}
static void make_page(struct known_wait *b)
{
    (void)b;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void hold_page(struct known_wait *b)
{
    (void)b;
    pthread_mutex_lock(page);
}
SITE void release_mutex_unmapped(struct known_wait *b)
{
    (void)b;
    must(pthread_mutex_unlock(page) == 0, "unlock");
}

/* ---- read-write locks ---- */

static void make_rwlock(struct known_wait *b)
{
    static const pthread_rwlock_t initial = PTHREAD_RWLOCK_INITIALIZER;
    b->rwlock = initial;
}
static void hold_write(struct known_wait *b)
{
    must(pthread_rwlock_wrlock(&b->rwlock) == 0, "wrlock");
}
static void hold_read(struct known_wait *b)
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
SITE void first_reader_leaves(struct known_wait *b)
{
    pthread_rwlock_unlock(&b->rwlock);
}
static void *first_reader(void *arg)
{
    struct known_wait *b = arg;
    hold_read(b);
    atomic_store(&b->word, 1);
    sleep_ns(b->ms * 500000);
    first_reader_leaves(b);
    return NULL;
}
static void hold_two_readers(struct known_wait *b)
{
    hold_read(b);
    pthread_create(&b->target, NULL, first_reader, b);
    while (!atomic_load(&b->word))
        sleep_ns(100000);
}
WAIT(two_readers, pthread_rwlock_wrlock(&b->rwlock))
RELEASE(two_readers, pthread_rwlock_unlock(&b->rwlock))

#endif
