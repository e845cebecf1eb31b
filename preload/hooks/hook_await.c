/* SPDX-License-Identifier: MIT
 *
 * Waits for children, for signals, and for messages, semaphores and file locks between processes.
 * Those for children and file locks the kernel restarts after a handler of ours; the others end
 * with EINTR, and go on here (cut.h).
 *
 * Any thread, also in the program's signal handlers. Cancellation points: nothing is held while a
 * real function runs.
 */
#include "collectors/base/sys.h"
#include "preload/hooks/hook_sleep.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>

/* The value of `call`, made again as often as it is cut, after a first time. */
#define AGAIN(call)                                                                                \
    ({                                                                                             \
        struct cut c_ = cut_begins();                                                              \
        __typeof__(call) again_ = -1;                                                              \
        while (cut_retry(&c_)) {                                                                   \
            cut_before(&c_, NULL);                                                                 \
            again_ = (call);                                                                       \
            if (!cut_again(&c_, (int)again_)) {                                                    \
                break;                                                                             \
            }                                                                                      \
            again_ = -1;                                                                           \
        }                                                                                          \
        again_;                                                                                    \
    })

/* ---- children ---- */

EXPORT BELOW_PROGRAM pid_t wait(int *status)
{
    return SLEEPS(real_sleeps.wait, SYS_wait4, SLEEP_IS_RESTARTED, status);
}

EXPORT BELOW_PROGRAM pid_t waitpid(pid_t pid, int *status, int options)
{
    return SLEEPS(real_sleeps.waitpid, SYS_wait4, SLEEP_IS_RESTARTED, pid, status, options);
}

EXPORT BELOW_PROGRAM pid_t wait3(int *status, int options, struct rusage *usage)
{
    return SLEEPS(real_sleeps.wait3, SYS_wait4, SLEEP_IS_RESTARTED, status, options, usage);
}

EXPORT BELOW_PROGRAM pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    return SLEEPS(real_sleeps.wait4, SYS_wait4, SLEEP_IS_RESTARTED, pid, status, options, usage);
}

EXPORT BELOW_PROGRAM int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    return SLEEPS(real_sleeps.waitid, SYS_waitid, SLEEP_IS_RESTARTED, type, id, info, options);
}

/* ---- file locks ---- */

EXPORT BELOW_PROGRAM int flock(int fd, int operation)
{
    return SLEEPS(real_sleeps.flock, SYS_flock, SLEEP_IS_RESTARTED, fd, operation);
}

EXPORT BELOW_PROGRAM int lockf(int fd, int command, off_t length)
{
    return SLEEPS(real_sleeps.lockf, SYS_fcntl, SLEEP_IS_RESTARTED, fd, command, length);
}

/* ---- signals ---- */

static BELOW_PROGRAM int sigsuspend_on(const sigset_t *set)
{
    struct cut c = cut_begins();
    return CUT_GOES_ON(&c, set, real_sleeps.sigsuspend(set));
}

EXPORT BELOW_PROGRAM int sigsuspend(const sigset_t *set)
{
    int result = SLEEPS_MASKED(set, real_sleeps.sigsuspend, SYS_rt_sigsuspend, SLEEP_GOES_ON, set);
    return cut_was() ? sigsuspend_on(set) : result;
}

/* libc's repeats the system call after EINTR. */
EXPORT BELOW_PROGRAM int sigwait(const sigset_t *set, int *sig)
{
    return SLEEPS(real_sleeps.sigwait, SYS_rt_sigtimedwait, SLEEP_IS_RESTARTED, set, sig);
}

static BELOW_PROGRAM int sigwaitinfo_on(const sigset_t *set, siginfo_t *info)
{
    return AGAIN(real_sleeps.sigwaitinfo(set, info));
}

EXPORT BELOW_PROGRAM int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    int result = SLEEPS(real_sleeps.sigwaitinfo, SYS_rt_sigtimedwait, SLEEP_GOES_ON, set, info);
    return cut_was() ? sigwaitinfo_on(set, info) : result;
}

static BELOW_PROGRAM int sigtimedwait_on(const sigset_t *set, siginfo_t *info,
                                         const struct timespec *timeout, int64_t since)
{
    struct timespec left;
    int64_t deadline = cut_deadline(since, timeout ? cut_ns(timeout) : -1);
    return AGAIN(real_sleeps.sigtimedwait(set, info, cut_left(&left, deadline)));
}

EXPORT BELOW_PROGRAM int sigtimedwait(const sigset_t *set, siginfo_t *info,
                                      const struct timespec *timeout)
{
    int64_t since = timeout ? cut_clock() : 0;
    int result =
        SLEEPS(real_sleeps.sigtimedwait, SYS_rt_sigtimedwait, SLEEP_GOES_ON, set, info, timeout);
    return cut_was() ? sigtimedwait_on(set, info, timeout, since) : result;
}

/* ---- System V's messages and semaphores ---- */

static BELOW_PROGRAM ssize_t msgrcv_on(int queue, void *message, size_t n, long type, int flags)
{
    return AGAIN(real_sleeps.msgrcv(queue, message, n, type, flags));
}

EXPORT BELOW_PROGRAM ssize_t msgrcv(int queue, void *message, size_t n, long type, int flags)
{
    ssize_t got =
        SLEEPS(real_sleeps.msgrcv, SYS_msgrcv, SLEEP_GOES_ON, queue, message, n, type, flags);
    return cut_was() ? msgrcv_on(queue, message, n, type, flags) : got;
}

static BELOW_PROGRAM int msgsnd_on(int queue, const void *message, size_t n, int flags)
{
    return AGAIN(real_sleeps.msgsnd(queue, message, n, flags));
}

EXPORT BELOW_PROGRAM int msgsnd(int queue, const void *message, size_t n, int flags)
{
    int result = SLEEPS(real_sleeps.msgsnd, SYS_msgsnd, SLEEP_GOES_ON, queue, message, n, flags);
    return cut_was() ? msgsnd_on(queue, message, n, flags) : result;
}

static BELOW_PROGRAM int semop_on(int set, struct sembuf *operations, size_t n)
{
    return AGAIN(real_sleeps.semop(set, operations, n));
}

EXPORT BELOW_PROGRAM int semop(int set, struct sembuf *operations, size_t n)
{
    int result = SLEEPS(real_sleeps.semop, SYS_semop, SLEEP_GOES_ON, set, operations, n);
    return cut_was() ? semop_on(set, operations, n) : result;
}

static BELOW_PROGRAM int semtimedop_on(int set, struct sembuf *operations, size_t n,
                                       const struct timespec *timeout, int64_t since)
{
    struct timespec left;
    int64_t deadline = cut_deadline(since, timeout ? cut_ns(timeout) : -1);
    return AGAIN(real_sleeps.semtimedop(set, operations, n, cut_left(&left, deadline)));
}

EXPORT BELOW_PROGRAM int semtimedop(int set, struct sembuf *operations, size_t n,
                                    const struct timespec *timeout)
{
    int64_t since = timeout ? cut_clock() : 0;
    int result =
        SLEEPS(real_sleeps.semtimedop, SYS_semtimedop, SLEEP_GOES_ON, set, operations, n, timeout);
    return cut_was() ? semtimedop_on(set, operations, n, timeout, since) : result;
}
