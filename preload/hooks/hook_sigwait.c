/* SPDX-License-Identifier: MIT
 *
 * Calls that wait for signals. One that waits for SIGPROF must not return a signal of one of our
 * timers. While a thread waits it uses no CPU, so nothing is lost if the kernel has the program's
 * own mask meanwhile, in which SIGPROF may be blocked (hook_sigmask.c).
 *
 * Any thread, also in the program's signal handlers.
 */
#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <sys/signalfd.h>

/* ---- calls that take a pending signal out of a set ---- */

/* The value of a call of a real function that waits for the signals of set. */
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

/* A program that asks for few signals, SIGPROF among them, waits for SIGPROF: if it has blocked
 * SIGPROF, the kernel has it blocked, too, from here on, and this thread is not sampled any more. A
 * program that asks for nearly all signals does not wait for SIGPROF, and its thread goes on being
 * sampled. */
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

/* ---- calls that wait with another mask than the thread's ---- */

/* The value of a call of a real function that waits with the mask set (NULL: the thread's own). */
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

/* What ppoll() becomes in programs that are built with _FORTIFY_SOURCE. */
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
