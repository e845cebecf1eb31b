/* SPDX-License-Identifier: MIT
 *
 * The longer half of sys.h: memory, files, futex, and the two places where the stack changes.
 * Callable everywhere, signal handlers and the scribe included; no lock, no errno.
 */
#include "collectors/base/sys.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer has to see that memory is new. */
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
    long p = sys_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p < 0 && p > -4096 ? NULL : (void *)p; /* NOLINT: the kernel speaks in integers */
}

void sys_unmap(void *p, size_t bytes)
{
    if (p) {
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
    struct iovec from = {(void *)src, n}; /* NOLINT: an address that may be nobody's */
    long got = sys_call6(SYS_process_vm_readv, sys_getpid(), (long)&to, 1, (long)&from, 1, 0);
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
    /* The kernel copies the set before it looks at how: EFAULT tells unreadable, EINVAL readable.
     * It needs no descriptor and is allowed under every seccomp policy that runs threads. */
    long err = sys_call4(SYS_rt_sigprocmask, ~0L, addr & ~7UL, 0, 8);
    return err != -EFAULT;
}

static void on_wake(int signal)
{
    (void)signal;
}

/* Where the kernel lets a handler return to: rt_sigreturn is 15. */
static __attribute__((naked)) void back_from_handler(void)
{
    __asm__("mov $15, %eax\n"
            "syscall\n");
}

static void set_action(int signal, void (*handler)(int))
{
    enum { HAS_RESTORER = 0x04000000 };
    struct { /* as the kernel has it */
        void (*handler)(int);
        uint64_t flags;
        void (*restorer)(void);
        uint64_t mask;
    } action = {handler, HAS_RESTORER, back_from_handler, ~0ULL};
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

/* fn in rdi, arg in rsi, top in rdx. */
__attribute__((naked)) void sys_call_on_stack(__attribute__((unused)) void (*fn)(void *),
                                              __attribute__((unused)) void *arg,
                                              __attribute__((unused)) void *top)
{
    __asm__("push %rbp\n"
            ".cfi_def_cfa_offset 16\n"
            ".cfi_offset %rbp, -16\n"
            "mov %rsp, %rbp\n"
            ".cfi_def_cfa_register %rbp\n"
            "mov %rdx, %rsp\n"
            "mov %rdi, %rax\n"
            "mov %rsi, %rdi\n"
            "call *%rax\n"
            "mov %rbp, %rsp\n"
            "pop %rbp\n"
            ".cfi_def_cfa %rsp, 8\n"
            "ret\n");
}

/* clone() onto a stack of its own; the child calls fn(arg) and never comes back. */
static int clone_onto(long flags, void (*fn)(void *), void *arg, void *stack_top, uint32_t *tid,
                      uintptr_t thread_pointer)
{
    long ret;
    uintptr_t *sp = (uintptr_t *)((uintptr_t)stack_top & ~15UL); /* NOLINT: an address */
    *--sp = (uintptr_t)fn;
    *--sp = (uintptr_t)arg;
    register long r10 __asm__("r10") = (long)tid;
    register long r8 __asm__("r8") = (long)thread_pointer;
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "xor %%ebp, %%ebp\n"
                     "pop %%rdi\n"
                     "pop %%rax\n"
                     "call *%%rax\n"
                     "hlt\n"
                     "1:\n"
                     : "=a"(ret)
                     : "a"(SYS_clone), "D"(flags), "S"(sp), "d"(tid), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return (int)ret;
}

int sys_clone_process(void (*fn)(void *), void *arg, void *stack_top, uintptr_t thread_pointer,
                      uint32_t *tid)
{
    /* No exit signal in the low byte: the program's wait() and SIGCHLD never hear of it. The table
     * of descriptors is shared, so that a large one is not copied. */
    long flags = CLONE_VM | CLONE_FILES | CLONE_UNTRACED | CLONE_SETTLS | CLONE_PARENT_SETTID |
                 CLONE_CHILD_CLEARTID;
    return clone_onto(flags, fn, arg, stack_top, tid, thread_pointer);
}

int sys_clone_child(void (*fn)(void *), void *arg, void *stack_top)
{
    return clone_onto(CLONE_VM | CLONE_FILES | CLONE_UNTRACED | SIGCHLD, fn, arg, stack_top, NULL,
                      0);
}

int sys_spawn(void (*fn)(void *), void *arg, void *stack_top)
{
    return clone_onto(CLONE_VM | CLONE_VFORK | SIGCHLD, fn, arg, stack_top, NULL, 0);
}
