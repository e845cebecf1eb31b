/* SPDX-License-Identifier: MIT
 *
 * Waits on a futex that the program makes itself, through libc's syscall(): Rust's standard
 * library, std::atomic::wait and what is made of it, abseil. Every other system call passes through
 * a few instructions of assembly, with its registers and its stack as they were: a vfork must not
 * return through a frame of ours. Wakes are not looked at: nothing tells a lock's from a
 * condition's, so only block knows of these waits.
 *
 * A thread of raw clone may come here without a thread block.
 */
#include "collectors/base/sys.h"
#include "collectors/waits/contention.h"
#include "preload/hooks/real_lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <unistd.h>

long hook_futex_wait(long nr, long a, long b, long c, long d, long e, long f);

/* The waiting operations, as bits of their numbers. */
#define WAITS                                                                                      \
    (1 << FUTEX_WAIT | 1 << FUTEX_LOCK_PI | 1 << FUTEX_WAIT_BITSET | 1 << FUTEX_WAIT_REQUEUE_PI |  \
     1 << 13 /* FUTEX_LOCK_PI2 */)
_Static_assert(SYS_futex == 202 && WAITS == 0x2a41, "what the assembly compares with");

/* rdi = the number, then the arguments; rdx = a futex's operation, with flags from 128 on. The
 * number 449 is futex_waitv, 317 is seccomp, 157 is prctl: see hook_seccomp.c. */
EXPORT __attribute__((naked)) long syscall(__attribute__((unused)) long nr, ...)
{
    __asm__("cmp $202, %rdi\n"
            "je 1f\n"
            "cmp $449, %rdi\n"
            "je hook_futex_wait\n"
            "cmp $317, %rdi\n"
            "je hook_seccomp_call\n"
            "cmp $157, %rdi\n"
            "je hook_seccomp_call\n"
            "jmp *real_syscall(%rip)\n"
            "1:\n"
            "mov %edx, %eax\n"
            "and $127, %eax\n"
            "cmp $13, %eax\n"
            "ja 2f\n"
            "mov $0x2a41, %r10d\n"
            "bt %eax, %r10d\n"
            "jc hook_futex_wait\n"
            "2:\n"
            "jmp *real_syscall(%rip)\n");
}

long hook_futex_wait(long nr, long a, long b, long c, long d, long e, long f)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    if (!contention_on || sys_thread_pointer() == 0) {
        return next(nr, a, b, c, d, e, f);
    }
    struct contention_wait w;
    contention_wait_begins(&w, NULL);
    long result = next(nr, a, b, c, d, e, f);
    /* EAGAIN: the word had changed, and nobody waited. */
    contention_wait_ends(&w, result >= 0 || errno == ETIMEDOUT || errno == EINTR);
    return result;
}
