/* SPDX-License-Identifier: MIT
 *
 * What the files that hook waits share: hook_lock.c, hook_wait.c, hook_c11.c.
 */
#ifndef PRELOAD_HOOK_WAIT_H
#define PRELOAD_HOOK_WAIT_H

#include "collectors/base/abi.h"

#include <pthread.h>
#include <time.h>

/* Would the real timed function look at its object at all? Several refuse a clock or a time that
 * is not valid even where they would not have to wait; those calls are passed on as they are. */
static inline bool hook_wait_is_valid(clockid_t clock, const struct timespec *until)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && until &&
           (unsigned long)until->tv_nsec < 1000000000UL;
}

/* hook_lock.c: does unlocking this mutex now release it? Only the caller's own locked mutex. */
bool hook_mutex_is_released(const pthread_mutex_t *m);

/* hook_lock.c: is a mutex that waiters_maybe() is true for, and that is being released, one that
 * nobody waits for: all are on their way out of a condition, and none has got as far? */
bool hook_mutex_is_idle(const pthread_mutex_t *m);

/* hook_wait.c: a wait for c that releases m begins; a signal to c wakes `most` at most. */
struct contention_wait;
void hook_condition_begins(struct contention_wait *w, const pthread_cond_t *c,
                           const pthread_mutex_t *m);
void hook_condition_wakes(const pthread_cond_t *c, uint32_t most);

/* A pthread_once or call_once of the calling thread, and the routine that we give to libc. */
struct hook_once {
    void (*routine)(void); /* the program's */
    bool ran;              /* it was called by this thread */
    struct hook_once *outer;
};
void hook_once_routine(void);

/* As glibc notes it; another value only takes the longer way. */
static inline bool hook_once_is_done(const pthread_once_t *control)
{
    return LOAD_ACQUIRE(control) == 2;
}

#endif
