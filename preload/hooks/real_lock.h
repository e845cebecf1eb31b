/* SPDX-License-Identifier: MIT
 *
 * The waiting functions that we stand in front of, as real.h has the others: for each the next
 * definition in the look-up order, or a stub that looks all of them up. The list below is the one
 * place that names them.
 */
#ifndef PRELOAD_REAL_LOCK_H
#define PRELOAD_REAL_LOCK_H

#include "collectors/base/libc/libc.h"

#include <time.h>

/* ONE(result, field, "symbol", "version that all of its family must have, or empty", parameters,
 * arguments). Those of one cache line are used together. A program
 * that was linked against an older libc, whose condition variables are of another type behind the
 * same names, comes to us like any other. */
#define REAL_LOCK_LIST(ONE)                                                                        \
    ONE(int, mutex_lock, "pthread_mutex_lock", "", (pthread_mutex_t * m), (m))                     \
    ONE(int, mutex_trylock, "pthread_mutex_trylock", "", (pthread_mutex_t * m), (m))               \
    ONE(int, mutex_unlock, "pthread_mutex_unlock", "", (pthread_mutex_t * m), (m))                 \
    ONE(int, cond_wait, "pthread_cond_wait", LIBC_VERSION_CONDITION,                               \
        (pthread_cond_t * c, pthread_mutex_t * m), (c, m))                                         \
    ONE(int, cond_timedwait, "pthread_cond_timedwait", LIBC_VERSION_CONDITION,                     \
        (pthread_cond_t * c, pthread_mutex_t * m, const struct timespec *until), (c, m, until))    \
    ONE(int, cond_clockwait, "pthread_cond_clockwait", "",                                         \
        (pthread_cond_t * c, pthread_mutex_t * m, clockid_t clock, const struct timespec *until),  \
        (c, m, clock, until))                                                                      \
    ONE(int, cond_signal, "pthread_cond_signal", LIBC_VERSION_CONDITION, (pthread_cond_t * c),     \
        (c))                                                                                       \
    ONE(int, cond_broadcast, "pthread_cond_broadcast", LIBC_VERSION_CONDITION,                     \
        (pthread_cond_t * c), (c))                                                                 \
    ONE(int, rwlock_rdlock, "pthread_rwlock_rdlock", "", (pthread_rwlock_t * l), (l))              \
    ONE(int, rwlock_tryrdlock, "pthread_rwlock_tryrdlock", "", (pthread_rwlock_t * l), (l))        \
    ONE(int, rwlock_wrlock, "pthread_rwlock_wrlock", "", (pthread_rwlock_t * l), (l))              \
    ONE(int, rwlock_trywrlock, "pthread_rwlock_trywrlock", "", (pthread_rwlock_t * l), (l))        \
    ONE(int, rwlock_unlock, "pthread_rwlock_unlock", "", (pthread_rwlock_t * l), (l))              \
    ONE(int, sem_wait, "sem_wait", "", (sem_t * s), (s))                                           \
    ONE(int, sem_trywait, "sem_trywait", "", (sem_t * s), (s))                                     \
    ONE(int, sem_post, "sem_post", "", (sem_t * s), (s))                                           \
    ONE(void, testcancel, "pthread_testcancel", "", (void), ())                                    \
    ONE(int, mtx_lock, "mtx_lock", "", (mtx_t * m), (m))                                           \
    ONE(int, mtx_trylock, "mtx_trylock", "", (mtx_t * m), (m))                                     \
    ONE(int, mtx_unlock, "mtx_unlock", "", (mtx_t * m), (m))                                       \
    ONE(int, cond_init, "pthread_cond_init", LIBC_VERSION_CONDITION,                               \
        (pthread_cond_t * c, const pthread_condattr_t *attributes), (c, attributes))               \
    ONE(int, cond_destroy, "pthread_cond_destroy", LIBC_VERSION_CONDITION, (pthread_cond_t * c),   \
        (c))                                                                                       \
    ONE(int, mutex_timedlock, "pthread_mutex_timedlock", "",                                       \
        (pthread_mutex_t * m, const struct timespec *until), (m, until))                           \
    ONE(int, mutex_clocklock, "pthread_mutex_clocklock", "",                                       \
        (pthread_mutex_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))   \
    ONE(int, rwlock_timedrdlock, "pthread_rwlock_timedrdlock", "",                                 \
        (pthread_rwlock_t * l, const struct timespec *until), (l, until))                          \
    ONE(int, rwlock_timedwrlock, "pthread_rwlock_timedwrlock", "",                                 \
        (pthread_rwlock_t * l, const struct timespec *until), (l, until))                          \
    ONE(int, rwlock_clockrdlock, "pthread_rwlock_clockrdlock", "",                                 \
        (pthread_rwlock_t * l, clockid_t clock, const struct timespec *until), (l, clock, until))  \
    ONE(int, rwlock_clockwrlock, "pthread_rwlock_clockwrlock", "",                                 \
        (pthread_rwlock_t * l, clockid_t clock, const struct timespec *until), (l, clock, until))  \
    ONE(int, sem_timedwait, "sem_timedwait", "", (sem_t * s, const struct timespec *until),        \
        (s, until))                                                                                \
    ONE(int, sem_clockwait, "sem_clockwait", "",                                                   \
        (sem_t * s, clockid_t clock, const struct timespec *until), (s, clock, until))             \
    ONE(int, barrier_wait, "pthread_barrier_wait", "", (pthread_barrier_t * b), (b))               \
    ONE(int, join, "pthread_join", "", (pthread_t thread, void **result), (thread, result))        \
    ONE(int, tryjoin, "pthread_tryjoin_np", "", (pthread_t thread, void **result),                 \
        (thread, result))                                                                          \
    ONE(int, timedjoin, "pthread_timedjoin_np", "",                                                \
        (pthread_t thread, void **result, const struct timespec *until), (thread, result, until))  \
    ONE(int, clockjoin, "pthread_clockjoin_np", "",                                                \
        (pthread_t thread, void **result, clockid_t clock, const struct timespec *until),          \
        (thread, result, clock, until))                                                            \
    ONE(int, once, "pthread_once", "", (pthread_once_t * once, void (*run)(void)), (once, run))    \
    ONE(int, mtx_timedlock, "mtx_timedlock", "", (mtx_t * m, const struct timespec *until),        \
        (m, until))                                                                                \
    ONE(int, cnd_wait, "cnd_wait", "", (cnd_t * c, mtx_t * m), (c, m))                             \
    ONE(int, cnd_timedwait, "cnd_timedwait", "",                                                   \
        (cnd_t * c, mtx_t * m, const struct timespec *until), (c, m, until))                       \
    ONE(int, cnd_signal, "cnd_signal", "", (cnd_t * c), (c))                                       \
    ONE(int, cnd_broadcast, "cnd_broadcast", "", (cnd_t * c), (c))                                 \
    ONE(int, thrd_join, "thrd_join", "", (thrd_t thread, int *result), (thread, result))           \
    ONE(void, call_once, "call_once", "", (once_flag * once, void (*run)(void)), (once, run))

#define REAL_LOCK_FIELD(result, field, symbol, version, parameters, arguments)                     \
    result(*field) parameters;
struct real_lock {
    REAL_LOCK_LIST(REAL_LOCK_FIELD)
};
extern HIDDEN struct real_lock real_lock;

/* libc's syscall(), which only hook_futex.c's assembly calls. */
extern HIDDEN void (*real_syscall)(void);

/* Looks all of them up, once. By the first call of any of them, and before there is a second
 * thread: the look-up takes the dynamic linker's lock, for which a thread may wait that is in need
 * of what this one holds. */
void real_lock_start(void);

#endif
