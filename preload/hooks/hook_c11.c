/* SPDX-License-Identifier: MIT
 *
 * The waits of C11 threads. glibc's mtx_lock() does not call pthread_mutex_lock() by that name, so
 * the hooks of hook_lock.c and hook_wait.c do not see these waits. The objects are the same behind
 * other types (mtx_t and pthread_mutex_t, cnd_t and pthread_cond_t, thrd_t and pthread_t, once_flag
 * and pthread_once_t), and their waits are counted as those two files count theirs.
 *
 * Any thread at any time, also before our constructor.
 */
#include "collectors/base/hold.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/sleepers.h"
#include "collectors/waits/waiters.h"
#include "preload/hooks/hook_sleep.h"
#include "preload/hooks/hook_wait.h"
#include "preload/hooks/real.h"

#include <errno.h>

static int mtx_lock_slow(mtx_t *m);
static int mtx_unlock_slow(mtx_t *m);

EXPORT HOT int mtx_lock(mtx_t *m)
{
    if (LIKELY(waiters_never(m) && libc_mutex_is_free(libc_mutex_of(m)))) {
        return real_waits.mtx_lock(m);
    }
    int result = real_waits.mtx_trylock(m);
    return LIKELY(result != thrd_busy) ? result : mtx_lock_slow(m);
}

EXPORT HOT int mtx_unlock(mtx_t *m)
{
    return LIKELY(!hook_mutex_may_be_waited_for(libc_mutex_of(m))) ? real_waits.mtx_unlock(m)
                                                                   : mtx_unlock_slow(m);
}

EXPORT int mtx_trylock(mtx_t *m)
{
    return real_waits.mtx_trylock(m);
}

/* ---- the waits ---- */

static bool has_waited(int result)
{
    return result == thrd_success || result == thrd_timedout;
}

static COLD int mtx_lock_slow(mtx_t *m)
{
    struct contention_wait w;
    contention_wait_begins(&w, m);
    int result = NOTED(real_waits.mtx_lock, SYS_futex, SLEEP_IS_RESTARTED, m);
    contention_wait_ends(&w, has_waited(result));
    return result;
}

static COLD int mtx_unlock_slow(mtx_t *m)
{
    if (!hook_mutex_is_waited_for(libc_mutex_of(m))) {
        return real_waits.mtx_unlock(m);
    }
    struct contention_hold h;
    contention_release_begins(&h, m, NULL);
    int result = real_waits.mtx_unlock(m);
    contention_release_ends(&h, m, result == thrd_success);
    return result;
}

EXPORT int mtx_timedlock(mtx_t *restrict m, const struct timespec *restrict until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.mtx_timedlock(m, until);
    }
    int result = real_waits.mtx_trylock(m);
    if (result != thrd_busy) {
        return result;
    }
    struct contention_wait w;
    contention_wait_begins(&w, m);
    result = NOTED(real_waits.mtx_timedlock, SYS_futex, SLEEP_IS_RESTARTED, m, until);
    contention_wait_ends(&w, has_waited(result));
    return result;
}

EXPORT int cnd_wait(cnd_t *c, mtx_t *m)
{
    struct contention_wait w;
    hook_condition_begins(&w, libc_cond_of(c), libc_mutex_of(m));
    int result = NOTED(real_waits.cnd_wait, SYS_futex, SLEEP_IS_RESTARTED, c, m);
    contention_condition_ends(&w, has_waited(result), result == thrd_timedout);
    hold_here();
    return result;
}

EXPORT int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m,
                         const struct timespec *restrict until)
{
    if (!hook_wait_is_valid(CLOCK_REALTIME, until)) {
        return real_waits.cnd_timedwait(c, m, until);
    }
    struct contention_wait w;
    hook_condition_begins(&w, libc_cond_of(c), libc_mutex_of(m));
    int result = NOTED(real_waits.cnd_timedwait, SYS_futex, SLEEP_IS_RESTARTED, c, m, until);
    contention_condition_ends(&w, has_waited(result), result == thrd_timedout);
    hold_here();
    return result;
}

EXPORT int cnd_signal(cnd_t *c)
{
    if (sleepers_maybe(c)) {
        hook_condition_wakes(libc_cond_of(c), 1);
    }
    return real_waits.cnd_signal(c);
}

EXPORT int cnd_broadcast(cnd_t *c)
{
    if (sleepers_maybe(c)) {
        hook_condition_wakes(libc_cond_of(c), UINT32_MAX);
    }
    return real_waits.cnd_broadcast(c);
}

EXPORT int thrd_join(thrd_t thread, int *result)
{
    void *value;
    int err = real_waits.tryjoin(thread, &value); /* thrd_t is pthread_t */
    if (err == 0) {
        if (result) {
            *result = (int)(intptr_t)value;
        }
        return thrd_success;
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    int outcome = NOTED(real_waits.thrd_join, SYS_futex, SLEEP_IS_RESTARTED, thread, result);
    contention_wait_ends(&w, err == EBUSY && outcome == thrd_success);
    return outcome;
}

EXPORT BELOW_PROGRAM void call_once(once_flag *flag, void (*routine)(void))
{
    struct contention_wait w;
    if (LIKELY(libc_once_is_done(libc_once_of(flag)))) {
        real_waits.call_once(flag, routine);
        return;
    }
    struct hook_once once = {routine, false, self.once};
    self.once = &once;
    contention_wait_begins(&w, NULL);
    real_waits.call_once(flag, hook_once_routine);
    self.once = once.outer;
    contention_wait_ends(&w, !once.ran);
}
