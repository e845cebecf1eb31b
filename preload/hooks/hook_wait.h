/* SPDX-License-Identifier: MIT
 *
 * What the files that hook waits share: hook_lock.c, hook_wait.c, hook_c11.c.
 */
#ifndef PRELOAD_HOOK_WAIT_H
#define PRELOAD_HOOK_WAIT_H

#include "collectors/base/libc/libc.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/waiters.h"

#include <pthread.h>
#include <time.h>

/* Would the real timed function look at its object at all? Several refuse a clock or a time that
 * is not valid even where they would not have to wait; those calls are passed on as they are. */
static inline bool hook_wait_is_valid(clockid_t clock, const struct timespec *until)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && until &&
           (unsigned long)until->tv_nsec < 1000000000UL;
}

/* Only the caller's own locked mutex. False: unlocking it now would release it to nobody that is
 * known: no other waits, and none of those that come out of a condition has got as far, by the word
 * of a plain mutex. */
static inline bool hook_mutex_may_be_waited_for(const pthread_mutex_t *m)
{
    uint32_t known = waiters_known_for(m);
    return known >= WAITERS_CONDITIONS &&
           (known >= WAITER || (libc_mutex_may_be_slept_for(m) && waiters_maybe_woken(m)));
}
/* hook_lock.c: where that is true, is it so? */
bool hook_mutex_is_waited_for(const pthread_mutex_t *m);

/* hook_wait.c: a wait for c that releases m begins. */
void hook_condition_begins(struct contention_wait *w, const pthread_cond_t *c,
                           const pthread_mutex_t *m);

/* A signal to c, for which sleepers_maybe() is true, wakes `most` threads at most. */
static inline void hook_condition_wakes(const pthread_cond_t *c, uint32_t most)
{
    uint32_t inside = libc_cond_inside(c);
    if (inside > 0) { /* else the bucket's sleepers are those of another condition */
        contention_wakes(c, inside, libc_cond_begun(c), most);
    }
}

/* A pthread_once or call_once of the calling thread, and the routine that we give to libc. */
struct hook_once {
    void (*routine)(void); /* the program's */
    bool ran;              /* it was called by this thread */
    struct hook_once *outer;
};
void hook_once_routine(void);

#endif
