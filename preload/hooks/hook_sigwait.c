/* SPDX-License-Identifier: MIT
 *
 * Waiting for signals: of those that wait for SIGPROF, none is to take one of our timers' for the
 * program's. While a thread sleeps it uses no CPU, so the kernel may have the program's own mask
 * (see hook_sigmask.c) without a loss.
 *
 * Any thread, also in the program's signal handlers.
 */
#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <sys/signalfd.h>

/* ---- with a set of signals to take ---- */

#define TAKING(set, call)                                                                          \
    ({                                                                                             \
        bool begun_ = hook_sigmask_wait_begins(set);                                               \
        __typeof__(call) result_ = (call);                                                         \
        hook_sigmask_wait_ends(begun_);                                                            \
        result_;                                                                                   \
    })

EXPORT BELOW_PROGRAM int sigwait(const sigset_t *set, int *sig)
{
    return TAKING(set, real_other.sigwait(set, sig));
}

EXPORT BELOW_PROGRAM int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    return TAKING(set, real_other.sigwaitinfo(set, info));
}

EXPORT BELOW_PROGRAM int sigtimedwait(const sigset_t *set, siginfo_t *info,
                                      const struct timespec *timeout)
{
    return TAKING(set, real_other.sigtimedwait(set, info, timeout));
}

/* Who names few signals, SIGPROF among them, is waiting for it; who names nearly all of them wants
 * to hear of what comes, and goes on being sampled. */
EXPORT int signalfd(int fd, const sigset_t *set, int flags)
{
    enum { FEW = 24 };
    int named = 0;
    for (int sig = 1; sig < 32; sig++) {
        named += sigismember(set, sig) == 1;
    }
    if (named <= FEW && named > 0 && sigismember(set, SIGPROF) == 1) {
        hook_sigmask_is_awaited();
    }
    return real_other.signalfd(fd, set, flags);
}

/* ---- with a mask meanwhile ---- */

#define MASKED(set, call)                                                                          \
    ({                                                                                             \
        bool before_ = hook_sigmask_meanwhile(set);                                                \
        __typeof__(call) result_ = (call);                                                         \
        self.prof_blocked = before_;                                                               \
        result_;                                                                                   \
    })

EXPORT BELOW_PROGRAM int sigsuspend(const sigset_t *set)
{
    return MASKED(set, real_other.sigsuspend(set));
}

EXPORT BELOW_PROGRAM int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                               const sigset_t *set)
{
    return MASKED(set, real_other.ppoll(fds, n, timeout, set));
}

/* What fortified programs call; the check is libc's. */
EXPORT BELOW_PROGRAM int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                                     const sigset_t *set, size_t size)
{
    return MASKED(set, real_other.ppoll_chk(fds, n, timeout, set, size));
}

EXPORT BELOW_PROGRAM int pselect(int n, fd_set *r, fd_set *w, fd_set *e,
                                 const struct timespec *timeout, const sigset_t *set)
{
    return MASKED(set, real_other.pselect(n, r, w, e, timeout, set));
}

EXPORT BELOW_PROGRAM int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout,
                                     const sigset_t *set)
{
    return MASKED(set, real_other.epoll_pwait(fd, events, most, timeout, set));
}

EXPORT BELOW_PROGRAM int epoll_pwait2(int fd, struct epoll_event *events, int most,
                                      const struct timespec *timeout, const sigset_t *set)
{
    return MASKED(set, real_other.epoll_pwait2(fd, events, most, timeout, set));
}
