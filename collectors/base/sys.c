/* SPDX-License-Identifier: MIT
 *
 * The longer half of sys.h: memory, files, signals of our processes, futexes, clone. Callable
 * everywhere, signal handlers and the scribe included; no lock, no errno.
 */
#include "collectors/base/sys.h"

#include "collectors/base/reserve.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum { ERRNO_MAX = (1 << 12) - 1 }; /* larger results of mmap are addresses */

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer learns only from libc's mmap that memory at an address is new. */
void *sys_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void sys_unmap(void *p, size_t bytes)
{
    if (p) {
        munmap(p, bytes);
    }
}
#else
void *sys_map(size_t bytes)
{
    void *reserved = reserve_take(bytes);
    if (reserved) {
        return reserved;
    }
    long p = sys_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p < 0 && p >= -ERRNO_MAX ? NULL : (void *)p; /* NOLINT: the kernel speaks in integers */
}

void sys_unmap(void *p, size_t bytes)
{
    if (p && !reserve_give(p, bytes)) {
        sys_call2(SYS_munmap, p, bytes);
    }
}
#endif

int sys_open(const char *path, int flags, int mode)
{
    return sys_openat(AT_FDCWD, path, flags, mode);
}

int sys_openat(int dir, const char *path, int flags, int mode)
{
    long fd;
    do {
        fd = sys_call4(SYS_openat, dir, path, flags | O_CLOEXEC, mode);
    } while (fd == -EINTR);
    return (int)fd;
}

void sys_close(int fd)
{
    sys_call1(SYS_close, fd);
}

long sys_read(int fd, void *buf, size_t n)
{
    long got;
    do {
        got = sys_call3(SYS_read, fd, buf, n);
    } while (got == -EINTR);
    return got;
}

int sys_write_all(int fd, const void *buf, size_t n)
{
    const char *p = buf;
    while (n > 0) {
        long put = sys_call3(SYS_write, fd, p, n);
        if (put == -EINTR) {
            continue;
        }
        if (put <= 0) {
            return put < 0 ? (int)put : -EIO;
        }
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

int sys_read_memory(void *dst, uintptr_t src, size_t n)
{
    struct iovec to = {dst, n};
    struct iovec from = {(void *)src, n}; /* NOLINT: an address that may be unmapped */
    long got = sys_call6(SYS_process_vm_readv, sys_gettid(), (long)&to, 1, (long)&from, 1, 0);
    return got == (long)n ? 0 : -EFAULT;
}

static bool readable_by_copy;

void sys_readable_by_copy(void)
{
    readable_by_copy = true;
}

bool sys_readable(uintptr_t addr)
{
    char byte;
    if (UNLIKELY(readable_by_copy)) {
        return sys_read_memory(&byte, addr, 1) == 0;
    }
    /* The kernel copies the mask from addr before it looks at the first argument, which is invalid:
     * -EFAULT means that addr cannot be read, -EINVAL that it can. The call needs no descriptor,
     * and every seccomp policy under which threads run allows it. */
    long err = sys_call4(SYS_rt_sigprocmask, ~0L, addr & ~7UL, 0, 8);
    return err != -EFAULT;
}

static void on_wake(int signal)
{
    (void)signal;
}

static void set_action(int signal, void (*handler)(int))
{
    struct arch_sigaction action = {handler, ARCH_SA_RESTORER, arch_sigreturn, ~0ULL};
    sys_call4(SYS_rt_sigaction, signal, &action, NULL, sizeof action.mask);
}

static void on_fault(int signal)
{
    (void)signal;
    for (;;) {
        sys_call1(SYS_exit, 1);
    }
}

static void unblock(int signal)
{
    uint64_t bit = 1ULL << (signal - 1);
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, NULL, sizeof bit);
}

void sys_wake_by(int signal)
{
    set_action(signal, on_wake);
    unblock(signal);
}

void sys_end_quietly(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        set_action(faults[i], on_fault);
        unblock(faults[i]);
    }
}

void sys_ignore(int signal)
{
    set_action(signal, SIG_IGN);
}

int sys_futex_wait(const uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
    struct timespec ts = {timeout_ns / NSEC_PER_SEC, timeout_ns % NSEC_PER_SEC};
    return (int)sys_call4(SYS_futex, word, FUTEX_WAIT, seen, timeout_ns < 0 ? NULL : &ts);
}

void sys_futex_wake(const uint32_t *word)
{
    sys_call3(SYS_futex, word, FUTEX_WAKE, INT32_MAX);
}

int sys_clone_process(void (*fn)(void *), void *arg, void *stack_top, uintptr_t thread_pointer,
                      uint32_t *tid)
{
    /* No exit signal in the low byte: the program gets no SIGCHLD, and its wait() does not see the
     * process. The table of descriptors is shared, so that a large one is not copied. */
    long flags = CLONE_VM | CLONE_FILES | CLONE_UNTRACED | CLONE_SETTLS | CLONE_PARENT_SETTID |
                 CLONE_CHILD_CLEARTID;
    return arch_clone(flags, fn, arg, stack_top, tid, thread_pointer);
}

int sys_clone_child(void (*fn)(void *), void *arg, void *stack_top)
{
    return arch_clone(CLONE_VM | CLONE_FILES | CLONE_UNTRACED | SIGCHLD, fn, arg, stack_top, NULL,
                      0);
}

int sys_spawn(void (*fn)(void *), void *arg, void *stack_top)
{
    return arch_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, fn, arg, stack_top, NULL, 0);
}
