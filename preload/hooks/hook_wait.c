/* SPDX-License-Identifier: MIT
 *
 * Waits for something that no thread holds: condition variables, semaphores, barriers, the end of
 * a thread, a pthread_once() whose routine another thread is running. Where there is a call that
 * tries without waiting, it comes first, and only a wait that follows is timed. A condition wait
 * releases its mutex, and that is counted as any other release. The wait ends when the mutex is
 * taken again, because libc does both in one call; the thread that holds the mutex then is charged
 * from the signal on (collectors/waits/sleepers.h), or not at all if the wait ended by its time.
 *
 * Most of these calls are cancellation points, so no lock is held while the real function runs, and
 * nothing but the thread's entry among the sleepers is registered. A cancelled thread takes that
 * entry out at its next wait, at its next release of what is waited for, or at its end.
 *
 * Any thread at any time, also before our constructor. sem_post() may be called in signal handlers.
 */
#include "preload/hooks/hook_wait.h"
#include "preload/hooks/hook_sleep.h"

#include "collectors/base/hold.h"
#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/sleepers.h"
#include "collectors/waits/waiters.h"
#include "preload/hooks/real.h"

#include <errno.h>

static int sem_wait_tried(sem_t *s);

/* As for a mutex (hook_lock.c): a semaphore for which no wait was ever seen costs one look at its
 * count, and then the real function is called, which also acts upon a pending cancellation. Whether
 * one is pending cannot be known here at less cost: the thread that cancels may call libc's
 * pthread_cancel() past any hook of ours. */
EXPORT HOT int sem_wait(sem_t *s)
{
    if (LIKELY(waiters_never(s) && libc_sem_is_free(s))) {
        return real_waits.sem_wait(s);
    }
    return sem_wait_tried(s);
}

EXPORT int sem_trywait(sem_t *s)
{
    return real_waits.sem_trywait(s);
}

EXPORT HOT int sem_post(sem_t *s)
{
    return real_waits.sem_post(s);
}

/* ---- semaphores ---- */

static COLD int sem_wait_slow(sem_t *s);

/* The real sem_wait() acts upon a pending cancellation even where it need not wait, which
 * sem_trywait() does not, and leaves errno alone where it succeeds; a sem_trywait() that fails
 * before it does not. So the cancellation is asked for, and errno restored. */
static __attribute__((noinline)) int sem_wait_tried(sem_t *s)
{
    int *at = self.errno_at;
    if (UNLIKELY(!at)) {
        self.errno_at = at = &errno;
    }
    int program = *at;
    real_waits.testcancel();
    if (LIKELY(real_waits.sem_trywait(s) == 0)) {
        return 0;
    }
    *at = program;
    return sem_wait_slow(s);
}

/* Whether the call waited: the count was taken, or the wait ended by a signal or by its time. Other
 * errors came at once. */
static bool sem_has_waited(int result)
{
    return result == 0 || errno == EINTR || errno == ETIMEDOUT;
}

static COLD int sem_wait_slow(sem_t *s)
{
    struct contention_wait w;
    if (contention_on) {
        waiters_note(s);
    }
    contention_wait_begins(&w, NULL);
    int result = NOTED(real_waits.sem_wait, SYS_futex, SLEEP_IS_RESTARTED, s);
    contention_wait_ends(&w, sem_has_waited(result));
    hold_here();
    return result;
}

/* A timed wait that a signal of ours has cut goes on. clock: -1 for sem_timedwait(). */
static COLD int sem_timed_on(sem_t *s, clockid_t clock, const struct timespec *until)
{
    struct cut c = cut_begins();
    int result;
    do {
        if (!cut_retry(&c)) {
            return -1;
        }
        cut_before(&c, NULL);
        result = clock < 0 ? real_waits.sem_timedwait(s, until)
                           : real_waits.sem_clockwait(s, clock, until);
    } while (cut_again(&c, result));
    return result;
}

/* Takes the semaphore if that needs no wait. False: not taken, and errno is unchanged. */
static bool sem_taken(sem_t *s)
{
    int program = errno;
    if (real_waits.sem_trywait(s) == 0) {
        return true;
    }
    errno = program;
    return false;
}

EXPORT int sem_timedwait(sem_t *s, const struct timespec *until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.sem_timedwait(s, until);
    }
    real_waits.testcancel();
    if (sem_taken(s)) {
        return 0;
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    int result = NOTED(real_waits.sem_timedwait, SYS_futex, SLEEP_GOES_ON, s, until);
    result = cut_was() ? sem_timed_on(s, -1, until) : result;
    contention_wait_ends(&w, sem_has_waited(result));
    hold_here();
    return result;
}

/* The real sem_clockwait() is no cancellation point where it need not wait. */
EXPORT int sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *until)
{
    if (!hook_wait_is_valid(clock, until)) {
        return real_waits.sem_clockwait(s, clock, until);
    }
    if (sem_taken(s)) {
        return 0;
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    int result = NOTED(real_waits.sem_clockwait, SYS_futex, SLEEP_GOES_ON, s, clock, until);
    result = cut_was() ? sem_timed_on(s, clock, until) : result;
    contention_wait_ends(&w, sem_has_waited(result));
    hold_here();
    return result;
}

/* ---- condition variables ---- */

/* The release of the mutex by a condition wait, counted before it: the wait may last for long, or
 * be cancelled. */
static WAIT_PATH __attribute__((noinline)) void condition_releases(const pthread_mutex_t *m)
{
    if (hook_mutex_is_waited_for(m)) {
        struct contention_hold h;
        contention_release_begins(&h, m, NULL);
        contention_release_ends(&h, m, true);
    }
}

static inline __attribute__((always_inline)) void
condition_begins(struct contention_wait *w, const pthread_cond_t *c, const pthread_mutex_t *m)
{
    if (UNLIKELY(hook_mutex_may_be_waited_for(m))) {
        condition_releases(m);
    }
    contention_condition_begins(w, c, m, libc_cond_begun(c));
}

void hook_condition_begins(struct contention_wait *w, const pthread_cond_t *c,
                           const pthread_mutex_t *m)
{
    condition_begins(w, c, m);
}

EXPORT WAIT_PATH int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    struct contention_wait w;
    condition_begins(&w, c, m);
    int err = NOTED(real_waits.cond_wait, SYS_futex, SLEEP_IS_RESTARTED, c, m);
    contention_condition_ends(&w, LIKELY(err == 0) || err == EOWNERDEAD, false);
    hold_here();
    return err;
}

EXPORT WAIT_PATH int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                            const struct timespec *until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.cond_timedwait(c, m, until);
    }
    struct contention_wait w;
    hook_condition_begins(&w, c, m);
    int err = NOTED(real_waits.cond_timedwait, SYS_futex, SLEEP_IS_RESTARTED, c, m, until);
    contention_condition_ends(&w, hook_wait_was(err), err == ETIMEDOUT);
    hold_here();
    return err;
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
                                  const struct timespec *until)
{
    if (!hook_wait_is_valid(clock, until)) {
        return real_waits.cond_clockwait(c, m, clock, until);
    }
    struct contention_wait w;
    hook_condition_begins(&w, c, m);
    int err = NOTED(real_waits.cond_clockwait, SYS_futex, SLEEP_IS_RESTARTED, c, m, clock, until);
    contention_condition_ends(&w, hook_wait_was(err), err == ETIMEDOUT);
    hold_here();
    return err;
}

EXPORT WAIT_PATH int pthread_cond_signal(pthread_cond_t *c)
{
    if (UNLIKELY(sleepers_maybe(c))) {
        hook_condition_wakes(c, 1);
    }
    return real_waits.cond_signal(c);
}

EXPORT WAIT_PATH int pthread_cond_broadcast(pthread_cond_t *c)
{
    if (UNLIKELY(sleepers_maybe(c))) {
        hook_condition_wakes(c, UINT32_MAX);
    }
    return real_waits.cond_broadcast(c);
}

EXPORT int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attributes)
{
    return real_waits.cond_init(c, attributes);
}

EXPORT int pthread_cond_destroy(pthread_cond_t *c)
{
    return real_waits.cond_destroy(c);
}

/* ---- barriers ---- */

/* The last thread to come, which is told PTHREAD_BARRIER_SERIAL_THREAD, has not waited. */
EXPORT int pthread_barrier_wait(pthread_barrier_t *b)
{
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    int result = NOTED(real_waits.barrier_wait, SYS_futex, SLEEP_IS_RESTARTED, b);
    contention_wait_ends(&w, result == 0);
    return result;
}

/* ---- the end of a thread ---- */

EXPORT int pthread_join(pthread_t thread, void **result)
{
    int err = real_waits.tryjoin(thread, result);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    err = NOTED(real_waits.join, SYS_futex, SLEEP_IS_RESTARTED, thread, result);
    contention_wait_ends(&w, err == 0);
    return err;
}

EXPORT int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
    if (until && !hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.timedjoin(thread, result, until);
    }
    int err = real_waits.tryjoin(thread, result);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    err = NOTED(real_waits.timedjoin, SYS_futex, SLEEP_IS_RESTARTED, thread, result, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

EXPORT int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
                                const struct timespec *until)
{
    if (!hook_wait_is_valid(clock, until)) {
        return real_waits.clockjoin(thread, result, clock, until);
    }
    int err = real_waits.tryjoin(thread, result);
    if (err != EBUSY) {
        return err;
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    err = NOTED(real_waits.clockjoin, SYS_futex, SLEEP_IS_RESTARTED, thread, result, clock, until);
    contention_wait_ends(&w, hook_wait_was(err));
    return err;
}

/* ---- once ---- */

/* A call of pthread_once() that runs the routine itself has not waited: once->ran tells. The
 * routine takes no argument, so the call in progress is found in self.once. */
BELOW_PROGRAM void hook_once_routine(void)
{
    struct hook_once *once = self.once;
    once->ran = true;
    once->routine();
}

EXPORT BELOW_PROGRAM int pthread_once(pthread_once_t *control, void (*routine)(void))
{
    if (LIKELY(libc_once_is_done(control))) {
        return real_waits.once(control, routine);
    }
    struct contention_wait w;
    struct hook_once once = {routine, false, self.once};
    self.once = &once;
    contention_wait_begins(&w, NULL);
    int err = real_waits.once(control, hook_once_routine);
    self.once = once.outer;
    contention_wait_ends(&w, !once.ran);
    return err;
}
