/* SPDX-License-Identifier: MIT
 *
 * What the files that hook waits share: hook_lock.c, hook_wait.c, hook_c11.c.
 */
#ifndef PRELOAD_HOOK_WAIT_H
#define PRELOAD_HOOK_WAIT_H

#include "collectors/base/libc/libc.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/waiters.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* Are the arguments of a timed wait valid? Several of the real functions refuse another clock or
 * time even where they would not have to wait, so calls with such arguments are passed on untimed.
 */
static inline bool hook_wait_is_valid(clockid_t clock, const struct timespec *until)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && until &&
           (unsigned long)until->tv_nsec < 1000000000UL;
}

/* Whether a call with this result has waited: it got what it waited for, or its time was up. Other
 * errors come at once. With EOWNERDEAD the call has got a robust mutex, whose owner died. */
static inline bool hook_wait_was(int err)
{
    return err == 0 || err == EOWNERDEAD || err == ETIMEDOUT;
}

/* Of a mutex that the calling thread holds. False: no thread is known to wait for it. Threads that
 * a condition has woken count only if a thread may have gone to sleep for the mutex since it was
 * locked, which the mutex's own word says. */
static inline bool hook_mutex_may_be_waited_for(const pthread_mutex_t *m)
{
    uint32_t known = waiters_known_for(m);
    return known >= WAITERS_CONDITIONS &&
           (known >= WAITER || (libc_mutex_may_be_slept_for(m) && waiters_maybe_woken(m)));
}
/* hook_lock.c: the exact answer, where the one above is true. Also false where an unlock would not
 * release the mutex. */
bool hook_mutex_is_waited_for(const pthread_mutex_t *m);

/* hook_wait.c: to be called before a wait for c, which releases m. Fills in w, for
 * contention_condition_ends(). */
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

/* A pthread_once() or call_once() in progress in the calling thread; self.once is the innermost.
 * hook_once_routine() is given to libc instead of the program's routine, and calls it. */
struct hook_once {
    void (*routine)(void); /* the program's */
    bool ran;              /* it was called by this thread */
    struct hook_once *outer;
};
void hook_once_routine(void);

#endif
