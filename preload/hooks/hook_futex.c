/* SPDX-License-Identifier: MIT
 *
 * Waits on a futex that the program makes itself, through libc's syscall(): Rust's standard
 * library, std::atomic::wait and what is made of it, abseil. Every other system call passes through
 * a few instructions of assembly, with its registers and its stack as they were: a vfork must not
 * return through a frame of ours; prctl and seccomp go to hook_seccomp.c. Wakes are not looked at:
 * nothing tells a lock's from a condition's, so only block knows of these waits.
 *
 * A thread of raw clone may come here without a thread block.
 */
#include "collectors/base/arch/stubs.h"
#include "collectors/base/sys.h"
#include "collectors/waits/contention.h"
#include "preload/hooks/real.h"

#include <errno.h>
#include <linux/futex.h>
#include <unistd.h>

long hook_futex_wait(long nr, long a, long b, long c, long d, long e, long f);

/* The waiting operations, as bits of their numbers. */
#define WAITS                                                                                      \
    (1 << FUTEX_WAIT | 1 << FUTEX_LOCK_PI | 1 << FUTEX_WAIT_BITSET | 1 << FUTEX_WAIT_REQUEUE_PI |  \
     1 << 13 /* FUTEX_LOCK_PI2 */)
_Static_assert(WAITS < 1 << 14, "what ARCH_SYSCALL looks at");

EXPORT ARCH_SYSCALL(syscall, real_syscall, WAITS, hook_futex_wait, hook_seccomp_call)

long hook_futex_wait(long nr, long a, long b, long c, long d, long e, long f)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    if (!contention_on || arch_thread_pointer() == 0) {
        return next(nr, a, b, c, d, e, f);
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    long result = next(nr, a, b, c, d, e, f);
    /* EAGAIN: the word had changed, and nobody waited. */
    contention_wait_ends(&w, result >= 0 || errno == ETIMEDOUT || errno == EINTR);
    return result;
}
