/* SPDX-License-Identifier: MIT
 *
 * Waits on a futex that the program makes by libc's syscall(), as Rust's standard library,
 * std::atomic::wait and abseil do. Calls that change what the program may do go to
 * hook_privileges.c (hook_privileges_numbers has their numbers), forks to hook_process.c. Every
 * other system call passes through a few instructions of assembly, which leave its registers and
 * its stack as they were: a vfork must not return through a frame of ours.
 *
 * Calls that wake are not looked at. Whether a futex belongs to a lock or to a condition cannot be
 * known, so these waits are counted in the block profile and not in the mutex profile.
 *
 * Any thread, also one of raw clone without a thread block.
 */
#include "collectors/base/arch/stubs.h"
#include "collectors/base/hold.h"
#include "collectors/base/sys.h"
#include "collectors/waits/contention.h"
#include "preload/hooks/hook_sleep.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <errno.h>
#include <linux/futex.h>
#include <unistd.h>

long hook_futex_wait(long nr, long a, long b, long c, long d, long e, long f);

/* The operations of futex that wait: bit n for operation n. */
#define WAITS                                                                                      \
    (1 << FUTEX_WAIT | 1 << FUTEX_LOCK_PI | 1 << FUTEX_WAIT_BITSET | 1 << FUTEX_WAIT_REQUEUE_PI |  \
     1 << 13 /* FUTEX_LOCK_PI2 */)
_Static_assert(WAITS < 1 << 14, "what ARCH_SYSCALL looks at");

EXPORT ARCH_SYSCALL(syscall, real_syscall, WAITS, hook_futex_wait, hook_privileges_numbers,
                    hook_privileges_call, hook_fork_is_plain, hook_fork_call)

    /* Whether the wait has an end that is said as a span of time. */
    static bool is_for_a_span(long nr, long operation, long timeout)
{
    return nr == SYS_futex && (operation & FUTEX_CMD_MASK) == FUTEX_WAIT && timeout != 0;
}

/* A wait that a signal of ours has cut goes on. Absolute times stay as they are. */
static BELOW_PROGRAM long futex_on(const long *arg, int64_t since)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    struct cut c = cut_begins();
    bool span = is_for_a_span(arg[0], arg[2], arg[4]);
    const struct timespec *timeout =
        (const struct timespec *)arg[4]; // NOLINT: the kernel's integers
    int64_t deadline = span ? cut_deadline(since, cut_ns(timeout)) : INT64_MAX;
    long result;
    do {
        struct timespec left;
        if (!cut_retry(&c)) {
            return -1;
        }
        long until = span ? (long)cut_left(&left, deadline) : arg[4];
        cut_before(&c, NULL);
        result = next(arg[0], arg[1], arg[2], arg[3], until, arg[5], arg[6]);
    } while (cut_again(&c, (int)result));
    return result;
}

long hook_futex_wait(long nr, long a, long b, long c, long d, long e, long f)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    if (arch_thread_pointer() == 0) {
        return next(nr, a, b, c, d, e, f);
    }
    struct contention_wait w;
    bool counted = contention_on;
    if (counted) {
        contention_wait_begins(&w, NULL);
    }
    int64_t since = is_for_a_span(nr, b, d) ? cut_clock() : 0;
    long result =
        NOTED_IN(&real_syscall, next, NULL, SYS_futex, SLEEP_GOES_ON, nr, a, b, c, d, e, f);
    if (cut_was()) {
        const long arg[] = {nr, a, b, c, d, e, f};
        result = futex_on(arg, since);
    }
    /* EAGAIN, for one, came at once: the word had another value. */
    if (counted) {
        contention_wait_ends(&w, result >= 0 || errno == ETIMEDOUT || errno == EINTR);
    }
    hold_here();
    return result;
}
