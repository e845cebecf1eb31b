/* SPDX-License-Identifier: MIT
 *
 * Waits for descriptors: poll, select and epoll. Where a signal of ours has cut one, it goes on
 * (cut.h). One with an end needs to know when it began, which costs a look at the clock: 25 ns of a
 * call that takes some 400 at least.
 *
 * Any thread, also in the program's signal handlers. Cancellation points: nothing is held while a
 * real function runs.
 */
#include "collectors/base/sys.h"
#include "preload/hooks/hook_sleep.h"

static inline int64_t began_ms(int timeout)
{
    return timeout > 0 ? cut_clock() : 0;
}

static inline int64_t began(const void *timeout)
{
    return timeout ? cut_clock() : 0;
}

static int64_t ns_of_ms(int timeout)
{
    return timeout < 0 ? -1 : timeout * 1000000LL;
}

static int64_t ns_of(const struct timespec *timeout)
{
    return timeout ? cut_ns(timeout) : -1;
}

/* ---- poll ---- */

static BELOW_PROGRAM int poll_on(struct pollfd *fds, nfds_t n, int64_t timeout, int64_t since,
                                 const sigset_t *set)
{
    struct cut c = cut_begins();
    const sigset_t *mask = set ? set : &c.mask;
    int64_t deadline = cut_deadline(since, timeout);
    struct timespec left;
    return CUT_GOES_ON(&c, mask, real_sleeps.ppoll(fds, n, cut_left(&left, deadline), mask));
}

EXPORT BELOW_PROGRAM int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    int64_t since = began_ms(timeout);
    int result = SLEEPS(real_sleeps.poll, ARCH_SYS_POLL, SLEEP_GOES_ON, fds, n, timeout);
    return cut_was() ? poll_on(fds, n, ns_of_ms(timeout), since, NULL) : result;
}

/* What poll() becomes in programs that are built with _FORTIFY_SOURCE. */
EXPORT BELOW_PROGRAM int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
    int64_t since = began_ms(timeout);
    int result = SLEEPS(real_sleeps.poll_chk, ARCH_SYS_POLL, SLEEP_GOES_ON, fds, n, timeout, size);
    return cut_was() ? poll_on(fds, n, ns_of_ms(timeout), since, NULL) : result;
}

EXPORT BELOW_PROGRAM int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                               const sigset_t *set)
{
    int64_t since = began(timeout);
    int result =
        SLEEPS_MASKED(set, real_sleeps.ppoll, SYS_ppoll, SLEEP_GOES_ON, fds, n, timeout, set);
    return cut_was() ? poll_on(fds, n, ns_of(timeout), since, set) : result;
}

EXPORT BELOW_PROGRAM int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                                     const sigset_t *set, size_t size)
{
    int64_t since = began(timeout);
    int result = SLEEPS_MASKED(set, real_sleeps.ppoll_chk, SYS_ppoll, SLEEP_GOES_ON, fds, n,
                               timeout, set, size);
    return cut_was() ? poll_on(fds, n, ns_of(timeout), since, set) : result;
}

/* ---- select ---- */

/* The kernel has put into *timeout what was left when our handler began, and has changed no set. */
static BELOW_PROGRAM int select_on(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
    struct cut c = cut_begins();
    int64_t deadline = INT64_MAX;
    if (timeout) {
        struct timespec rest = {timeout->tv_sec, timeout->tv_usec * 1000};
        deadline = c.at + cut_ns(&rest);
    }
    int result;
    do {
        struct timespec left;
        bool again = cut_retry(&c);
        if (timeout && cut_left(&left, deadline)) {
            *timeout = (struct timeval){left.tv_sec, left.tv_nsec / 1000};
        }
        if (!again) {
            return -1;
        }
        cut_before(&c, NULL);
        result = real_sleeps.select(n, r, w, e, timeout);
    } while (cut_again(&c, result));
    return result;
}

EXPORT BELOW_PROGRAM int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
    int result = SLEEPS(real_sleeps.select, ARCH_SYS_SELECT, SLEEP_GOES_ON, n, r, w, e, timeout);
    return cut_was() ? select_on(n, r, w, e, timeout) : result;
}

static BELOW_PROGRAM int pselect_on(int n, fd_set *r, fd_set *w, fd_set *e,
                                    const struct timespec *timeout, int64_t since,
                                    const sigset_t *set)
{
    struct cut c = cut_begins();
    const sigset_t *mask = set ? set : &c.mask;
    int64_t deadline = cut_deadline(since, ns_of(timeout));
    struct timespec left;
    return CUT_GOES_ON(&c, mask, real_sleeps.pselect(n, r, w, e, cut_left(&left, deadline), mask));
}

EXPORT BELOW_PROGRAM int pselect(int n, fd_set *r, fd_set *w, fd_set *e,
                                 const struct timespec *timeout, const sigset_t *set)
{
    int64_t since = began(timeout);
    int result = SLEEPS_MASKED(set, real_sleeps.pselect, SYS_pselect6, SLEEP_GOES_ON, n, r, w, e,
                               timeout, set);
    return cut_was() ? pselect_on(n, r, w, e, timeout, since, set) : result;
}

/* ---- epoll ---- */

static int ms_left(int64_t deadline)
{
    struct timespec left;
    return cut_left(&left, deadline) ? (int)(left.tv_sec * 1000 + (left.tv_nsec + 999999) / 1000000)
                                     : -1;
}

static BELOW_PROGRAM int epoll_wait_on(int fd, struct epoll_event *events, int most, int timeout,
                                       int64_t since)
{
    struct cut c = cut_begins();
    int64_t deadline = cut_deadline(since, ns_of_ms(timeout));
    int result;
    do {
        if (!cut_retry(&c)) {
            return -1;
        }
        cut_before(&c, NULL);
        result = real_sleeps.epoll_wait(fd, events, most, ms_left(deadline));
    } while (cut_again(&c, result));
    return result;
}

EXPORT BELOW_PROGRAM int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    int64_t since = began_ms(timeout);
    int result = SLEEPS(real_sleeps.epoll_wait, ARCH_SYS_EPOLL_WAIT, SLEEP_GOES_ON, fd, events,
                        most, timeout);
    return cut_was() ? epoll_wait_on(fd, events, most, timeout, since) : result;
}

static BELOW_PROGRAM int epoll_pwait_on(int fd, struct epoll_event *events, int most, int timeout,
                                        int64_t since, const sigset_t *set)
{
    struct cut c = cut_begins();
    const sigset_t *mask = set ? set : &c.mask;
    int64_t deadline = cut_deadline(since, ns_of_ms(timeout));
    return CUT_GOES_ON(&c, mask,
                       real_sleeps.epoll_pwait(fd, events, most, ms_left(deadline), mask));
}

EXPORT BELOW_PROGRAM int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout,
                                     const sigset_t *set)
{
    int64_t since = began_ms(timeout);
    int result = SLEEPS_MASKED(set, real_sleeps.epoll_pwait, SYS_epoll_pwait, SLEEP_GOES_ON, fd,
                               events, most, timeout, set);
    return cut_was() ? epoll_pwait_on(fd, events, most, timeout, since, set) : result;
}

static BELOW_PROGRAM int epoll_pwait2_on(int fd, struct epoll_event *events, int most,
                                         const struct timespec *timeout, int64_t since,
                                         const sigset_t *set)
{
    struct cut c = cut_begins();
    const sigset_t *mask = set ? set : &c.mask;
    int64_t deadline = cut_deadline(since, ns_of(timeout));
    struct timespec left;
    return CUT_GOES_ON(&c, mask,
                       real_sleeps.epoll_pwait2(fd, events, most, cut_left(&left, deadline), mask));
}

EXPORT BELOW_PROGRAM int epoll_pwait2(int fd, struct epoll_event *events, int most,
                                      const struct timespec *timeout, const sigset_t *set)
{
    int64_t since = began(timeout);
    int result = SLEEPS_MASKED(set, real_sleeps.epoll_pwait2, SYS_epoll_pwait2, SLEEP_GOES_ON, fd,
                               events, most, timeout, set);
    return cut_was() ? epoll_pwait2_on(fd, events, most, timeout, since, set) : result;
}
