/* SPDX-License-Identifier: MIT
 *
 * Waits for a time, or for any signal. A sleep that a signal of ours has cut goes on by ppoll() of
 * nothing, which takes a signal mask (cut.h); on the clocks that ppoll() does not know, by the same
 * call again.
 *
 * Any thread, also in the program's signal handlers. Cancellation points: nothing is held while a
 * real function runs.
 */
#include "preload/hooks/hook_sleep.h"
#include "collectors/base/sys.h"

#include <threads.h>

/* Sleeps until then; *left is filled in afterwards. 0, or -1 with EINTR. */
static BELOW_PROGRAM int sleep_on(const struct cut *c, int64_t deadline, struct timespec *left)
{
    int result =
        CUT_GOES_ON(c, &c->mask, real_sleeps.ppoll(NULL, 0, cut_left(left, deadline), &c->mask));
    cut_left(left, deadline);
    return result;
}

/* The real call has put into *left what was left when our handler began. */
static BELOW_PROGRAM int rest_on(struct timespec *left)
{
    struct cut c = cut_begins();
    return sleep_on(&c, c.at + cut_ns(left), left);
}

/* The real calls are given memory of ours for what is left, because the program's must stay as it
 * is unless the call ends with EINTR. 0, or EFAULT where the program's cannot be written: that the
 * kernel is asked by a call that writes as much. */
static int tell_left(struct timespec *rest, const struct timespec *left)
{
    if (!rest) {
        return 0;
    }
    if (sys_call2(SYS_clock_gettime, CLOCK_MONOTONIC, rest) != 0) {
        return EFAULT;
    }
    *rest = *left;
    return 0;
}

EXPORT BELOW_PROGRAM int nanosleep(const struct timespec *time, struct timespec *rest)
{
    struct timespec left;
    int result = SLEEPS(real_sleeps.nanosleep, SYS_clock_nanosleep, SLEEP_GOES_ON, time, &left);
    result = cut_was() ? rest_on(&left) : result;
    if (UNLIKELY(result != 0) && errno == EINTR && tell_left(rest, &left) != 0) {
        errno = EFAULT;
    }
    return result;
}

/* The result is an error number. */
static BELOW_PROGRAM int clock_again(const struct cut *c, clockid_t clock, int flags,
                                     const struct timespec *time, struct timespec *left)
{
    /* On the machine's other clocks it may be suspended, or be woken up from that. */
    if (!(flags & TIMER_ABSTIME) && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC)) {
        return sleep_on(c, c->at + cut_ns(left), left) == 0 ? 0 : EINTR;
    }
    const struct timespec *next = flags & TIMER_ABSTIME ? time : left;
    int result;
    do {
        if (!cut_retry(c)) {
            return EINTR;
        }
        cut_before(c, NULL);
        result = real_sleeps.clock_nanosleep(clock, flags, next, left);
    } while (cut_again(c, -result));
    return result;
}

static BELOW_PROGRAM int clock_on(clockid_t clock, int flags, const struct timespec *time,
                                  struct timespec *left)
{
    struct cut c = cut_begins();
    int result = clock_again(&c, clock, flags, time, left);
    errno = c.error;
    return result;
}

/* Leaves errno alone. */
EXPORT BELOW_PROGRAM int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                                         struct timespec *rest)
{
    struct timespec left;
    int result = SLEEPS(real_sleeps.clock_nanosleep, SYS_clock_nanosleep, SLEEP_GOES_ON, clock,
                        flags, time, &left);
    result = cut_was() ? clock_on(clock, flags, time, &left) : result;
    if (UNLIKELY(result == EINTR) && !(flags & TIMER_ABSTIME) && tell_left(rest, &left) != 0) {
        return EFAULT;
    }
    return result;
}

/* -1: a signal; another negative number: an error. Leaves errno alone. */
EXPORT BELOW_PROGRAM int thrd_sleep(const struct timespec *time, struct timespec *rest)
{
    struct timespec left;
    int result = SLEEPS(real_sleeps.thrd_sleep, SYS_clock_nanosleep, SLEEP_GOES_ON, time, &left);
    if (cut_was()) {
        int program = self.sleep.cut_errno;
        result = rest_on(&left);
        errno = program;
    }
    return result == -1 && tell_left(rest, &left) != 0 ? -2 : result;
}

/* ---- made of those by libc ---- */

static BELOW_PROGRAM unsigned seconds_on(int64_t deadline)
{
    struct cut c = cut_begins();
    struct timespec left;
    return sleep_on(&c, deadline, &left) == 0 ? 0 : (unsigned)left.tv_sec;
}

EXPORT BELOW_PROGRAM unsigned sleep(unsigned seconds)
{
    int64_t deadline = cut_clock() + (int64_t)seconds * NSEC_PER_SEC;
    unsigned result = SLEEPS(real_sleeps.sleep, SYS_clock_nanosleep, SLEEP_GOES_ON, seconds);
    return cut_was() ? seconds_on(deadline) : result;
}

static BELOW_PROGRAM int until_on(int64_t deadline)
{
    struct cut c = cut_begins();
    struct timespec left;
    return sleep_on(&c, deadline, &left);
}

EXPORT BELOW_PROGRAM int usleep(useconds_t us)
{
    int64_t deadline = cut_clock() + (int64_t)us * 1000;
    int result = SLEEPS(real_sleeps.usleep, SYS_clock_nanosleep, SLEEP_GOES_ON, us);
    return cut_was() ? until_on(deadline) : result;
}

/* ---- signals ---- */

static BELOW_PROGRAM int pause_on(void)
{
    struct cut c = cut_begins();
    return CUT_GOES_ON(&c, &c.mask, real_sleeps.ppoll(NULL, 0, NULL, &c.mask));
}

EXPORT BELOW_PROGRAM int pause(void)
{
    int result = SLEEPS(real_sleeps.pause, ARCH_SYS_PAUSE, SLEEP_GOES_ON);
    return cut_was() ? pause_on() : result;
}
