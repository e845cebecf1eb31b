/* SPDX-License-Identifier: MIT
 *
 * Mutexes and read-write locks, as the program takes and releases them. A lock that is free is
 * taken by the real trylock; only EBUSY leads to the slow path, which times the real lock. A
 * release reads one counter, that of the lock's waiters (collectors/waits/waiters.h).
 *
 * A mutex for which no wait was ever seen costs less: if its first word says that it is free, the
 * real lock is called at once, which in a process of one thread uses no atomic instruction. Should
 * another thread take the mutex in the few ns in between, that wait is not seen. After the first
 * wait that is seen, the mutex is taken by trylock, which misses none.
 *
 * Contexts: any thread at any time, also before our constructor. The program gets what the real
 * functions return. They do not call our hooks: glibc calls its own functions by internal names.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/waiters.h"
#include "preload/hooks/hook_sleep.h"
#include "preload/hooks/hook_wait.h"
#include "preload/hooks/real.h"

#include <errno.h>

static int mutex_lock_tried(pthread_mutex_t *m);
static int mutex_unlock_slow(pthread_mutex_t *m);
static int rwlock_rdlock_slow(pthread_rwlock_t *l);
static int rwlock_wrlock_slow(pthread_rwlock_t *l);
static int rwlock_unlock_slow(pthread_rwlock_t *l);

EXPORT HOT int pthread_mutex_lock(pthread_mutex_t *m)
{
    if (LIKELY(waiters_never(m) && libc_mutex_is_free(m))) {
        return real_waits.mutex_lock(m);
    }
    return mutex_lock_tried(m);
}

EXPORT HOT int pthread_mutex_unlock(pthread_mutex_t *m)
{
    return LIKELY(!hook_mutex_may_be_waited_for(m)) ? real_waits.mutex_unlock(m)
                                                    : mutex_unlock_slow(m);
}

EXPORT HOT int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    int err = real_waits.rwlock_tryrdlock(l);
    return LIKELY(err != EBUSY) ? err : rwlock_rdlock_slow(l);
}

EXPORT HOT int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    int err = real_waits.rwlock_trywrlock(l);
    return LIKELY(err != EBUSY) ? err : rwlock_wrlock_slow(l);
}

EXPORT HOT int pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    return LIKELY(!waiters_maybe(l)) ? real_waits.rwlock_unlock(l) : rwlock_unlock_slow(l);
}

/* ---- calls that never wait: interposed so that all calls about one object reach one library ----
 */

EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
    return real_waits.mutex_trylock(m);
}

EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
    return real_waits.rwlock_tryrdlock(l);
}

EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *l)
{
    return real_waits.rwlock_trywrlock(l);
}

/* ---- mutexes ---- */

static WAIT_PATH __attribute__((noinline)) int mutex_lock_slow(pthread_mutex_t *m)
{
    struct contention_wait w;
    contention_wait_begins(&w, m);
    int err = NOTED(real_waits.mutex_lock, SYS_futex, SLEEP_IS_RESTARTED, m);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

static HOT __attribute__((noinline)) int mutex_lock_tried(pthread_mutex_t *m)
{
    int err = libc_mutex_is_busy(m) ? EBUSY : real_waits.mutex_trylock(m);
    return LIKELY(err != EBUSY) ? err : mutex_lock_slow(m);
}

/* Threads that a condition has woken count as known before they have come to the mutex. Where they
 * are all that is known, the mutex's own word tells whether one of them has come. */
WAIT_PATH bool hook_mutex_is_waited_for(const pthread_mutex_t *m)
{
    if (!waiters_maybe(m) && !libc_mutex_is_slept_for(m)) {
        return false;
    }
    return libc_mutex_unlock_releases(m);
}

static WAIT_PATH __attribute__((noinline)) int mutex_unlock_slow(pthread_mutex_t *m)
{
    if (!hook_mutex_is_waited_for(m)) {
        return real_waits.mutex_unlock(m);
    }
    struct contention_hold h;
    contention_release_begins(&h, m, NULL);
    int err = real_waits.mutex_unlock(m);
    contention_release_ends(&h, m, err == 0);
    return err;
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.mutex_timedlock(m, until);
    }
    int err = real_waits.mutex_trylock(m);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, m);
    err = NOTED(real_waits.mutex_timedlock, SYS_futex, SLEEP_IS_RESTARTED, m, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock,
                                   const struct timespec *until)
{
    if (!hook_wait_is_valid(clock, until)) {
        return real_waits.mutex_clocklock(m, clock, until);
    }
    int err = real_waits.mutex_trylock(m);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, m);
    err = NOTED(real_waits.mutex_clocklock, SYS_futex, SLEEP_IS_RESTARTED, m, clock, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

/* ---- read-write locks ---- */

/* For contention_release_begins(). */
static uint32_t rwlock_holders(const void *lock)
{
    return libc_rwlock_holders(lock);
}

static COLD int rwlock_rdlock_slow(pthread_rwlock_t *l)
{
    struct contention_wait w;
    contention_wait_begins(&w, l);
    int err = NOTED(real_waits.rwlock_rdlock, SYS_futex, SLEEP_IS_RESTARTED, l);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

static COLD int rwlock_wrlock_slow(pthread_rwlock_t *l)
{
    struct contention_wait w;
    contention_wait_begins(&w, l);
    int err = NOTED(real_waits.rwlock_wrlock, SYS_futex, SLEEP_IS_RESTARTED, l);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

static COLD int rwlock_unlock_slow(pthread_rwlock_t *l)
{
    struct contention_hold h;
    contention_release_begins(&h, l, rwlock_holders);
    int err = real_waits.rwlock_unlock(l);
    contention_release_ends(&h, l, err == 0);
    return err;
}

EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *l, const struct timespec *until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.rwlock_timedrdlock(l, until);
    }
    int err = real_waits.rwlock_tryrdlock(l);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, l);
    err = NOTED(real_waits.rwlock_timedrdlock, SYS_futex, SLEEP_IS_RESTARTED, l, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *l, const struct timespec *until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.rwlock_timedwrlock(l, until);
    }
    int err = real_waits.rwlock_trywrlock(l);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, l);
    err = NOTED(real_waits.rwlock_timedwrlock, SYS_futex, SLEEP_IS_RESTARTED, l, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock,
                                      const struct timespec *until)
{
    if (!hook_wait_is_valid(clock, until)) {
        return real_waits.rwlock_clockrdlock(l, clock, until);
    }
    int err = real_waits.rwlock_tryrdlock(l);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, l);
    err = NOTED(real_waits.rwlock_clockrdlock, SYS_futex, SLEEP_IS_RESTARTED, l, clock, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock,
                                      const struct timespec *until)
{
    if (!hook_wait_is_valid(clock, until)) {
        return real_waits.rwlock_clockwrlock(l, clock, until);
    }
    int err = real_waits.rwlock_trywrlock(l);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, l);
    err = NOTED(real_waits.rwlock_clockwrlock, SYS_futex, SLEEP_IS_RESTARTED, l, clock, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}
