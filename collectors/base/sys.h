/* SPDX-License-Identifier: MIT
 *
 * Everything that is the kernel's or the processor's, and nothing that is libc's: raw system calls
 * that return -errno and never touch errno, the clocks, the thread pointer, the pause of a spin.
 * Signal handlers, hooks inside malloc and the scribe (a process with a thread block of its own)
 * all live on this header alone. The one file that another architecture adds to, besides
 * collectors/stacks/rules.c and collectors/unwind.c.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include "collectors/base/abi.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000LL
#define PAGE_BYTES 4096UL

#if !defined(__x86_64__)
#error "only x86-64 so far: add this architecture's system call convention here"
#endif

/* x86-64: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax, rcx and r11 lost. */
static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

#define SYS_ARG_(x) ((long)(x))
#define sys_call0(n) sys_call6((n), 0, 0, 0, 0, 0, 0)
#define sys_call1(n, a) sys_call6((n), SYS_ARG_(a), 0, 0, 0, 0, 0)
#define sys_call2(n, a, b) sys_call6((n), SYS_ARG_(a), SYS_ARG_(b), 0, 0, 0, 0)
#define sys_call3(n, a, b, c) sys_call6((n), SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), 0, 0, 0)
#define sys_call4(n, a, b, c, d)                                                                   \
    sys_call6((n), SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), 0, 0)
#define sys_call5(n, a, b, c, d, e)                                                                \
    sys_call6((n), SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), SYS_ARG_(e), 0)

static inline void sys_spin_pause(void)
{
    __asm__ volatile("pause");
}

/* The processor's time stamp counter; what it means is for base/ticks.c to know. */
static inline uint64_t sys_counter(void)
{
    return __builtin_ia32_rdtsc();
}

/* Puts a value into a word of this thread's own and returns what was there: in one instruction, so
 * that a signal handler of this thread comes before or after it. Other threads may read the word,
 * not write it, which is why the processor is not asked to lock it. */
static inline void *sys_swap_own(void **word, const void *value)
{
    void *before; /* in rax, with which cmpxchg compares, and where it puts what it has found */
    __asm__ volatile("mov %1, %0\n"
                     "1: cmpxchg %2, %1\n"
                     "jne 1b\n"
                     : "=&a"(before), "+m"(*word)
                     : "r"(value)
                     : "cc", "memory");
    return before;
}

/* The floating point control word as it is at the start of a process: nothing traps, and what the
 * library computes leaves no flag of the program's set. Returns the program's, to be put back. */
static inline uint32_t sys_float_enter(void)
{
    uint32_t program = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80);
    return program;
}

static inline void sys_float_leave(uint32_t program)
{
    __builtin_ia32_ldmxcsr(program);
}

/* The thread pointer (fs base). 0 in a thread made by raw clone without one: there every
 * thread-local access would fault. ARCH_GET_FS = 0x1003, ARCH_SET_FS = 0x1002. */
static inline uintptr_t sys_thread_pointer(void)
{
    uintptr_t fs = 0;
    sys_call2(SYS_arch_prctl, 0x1003, &fs);
    return fs;
}

static inline void sys_set_thread_pointer(uintptr_t fs)
{
    sys_call2(SYS_arch_prctl, 0x1002, fs);
}

static inline int sys_getpid(void)
{
    return (int)sys_call0(SYS_getpid);
}

static inline int sys_gettid(void)
{
    return (int)sys_call0(SYS_gettid);
}

/* Nanoseconds of a clock into *ns. False when there is no such clock: its thread has ended. */
static inline bool sys_clock_read(clockid_t clock, int64_t *ns)
{
    struct timespec ts = {0, 0};
    bool exists = sys_call2(SYS_clock_gettime, clock, &ts) == 0;
    *ns = (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
    return exists;
}

/* The same for clocks that exist as long as the caller does. */
static inline int64_t sys_clock_ns(clockid_t clock)
{
    int64_t ns;
    sys_clock_read(clock, &ns);
    return ns;
}

/* The CPU clock of thread tid of this process: include/uapi/linux/posix-timers encodes the
 * complement of the id above three bits that say "per thread, scheduler clock". */
static inline clockid_t sys_thread_cpu_clock(int tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6u);
}

/* Anonymous zeroed memory, not reserved, from the kernel. NULL when it has none. SIGNAL_SAFE. */
void *sys_map(size_t bytes);
void sys_unmap(void *p, size_t bytes);

/* Whole-file helpers on raw calls; -errno on failure. SIGNAL_SAFE. */
int sys_open(const char *path, int flags, int mode);
int sys_openat(int dir, const char *path, int flags, int mode);
void sys_close(int fd);
long sys_read(int fd, void *buf, size_t n);
/* Writes all of buf, again after EINTR and short writes. 0 or -errno. */
int sys_write_all(int fd, const void *buf, size_t n);

/* Copies n bytes of this process's memory that may be unmapped. 0, or -EFAULT. SIGNAL_SAFE. */
int sys_read_memory(void *dst, uintptr_t src, size_t n);
/* Whether the page that holds addr can be read, at the price of one system call. SIGNAL_SAFE. */
bool sys_readable(uintptr_t addr);
/* From now on that asks in a way that valgrind, which complains of the usual one, understands. */
void sys_readable_by_copy(void);

/* Block every signal of this thread, and put the mask back. The kernel's mask is 8 bytes. */
static inline uint64_t sys_block_signals(void)
{
    uint64_t all = ~0ULL;
    uint64_t old = 0;
    sys_call4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, &old, sizeof old);
    return old;
}

static inline void sys_restore_signals(uint64_t old)
{
    sys_call4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &old, 0, sizeof old);
}

/* In a process of our own: the signal interrupts a sleep and does nothing else; is ignored. */
void sys_wake_by(int signal);
void sys_ignore(int signal);
/* In a process of our own that shares the program's memory: a fault ends it without a core file,
 * the making of which would take the program down too on kernels before 5.16. */
void sys_end_quietly(void);

/* Sleep while *word == seen, at most timeout_ns (negative: without end); wake all sleepers.
 * Only processes that share this memory. */
int sys_futex_wait(const uint32_t *word, uint32_t seen, int64_t timeout_ns);
void sys_futex_wake(const uint32_t *word);

/* Calls fn(arg) on another stack, whose highest address is top (16-byte aligned). */
void sys_call_on_stack(void (*fn)(void *), void *arg, void *top);

/* A new process that shares this memory and runs fn(arg) on its own stack with its own thread
 * pointer; fn never returns. The kernel sends no signal when it ends, clears *tid then and wakes
 * its futex. The process id, or -errno. */
int sys_clone_process(void (*fn)(void *), void *arg, void *stack_top, uintptr_t thread_pointer,
                      uint32_t *tid);

/* A child that shares this memory, descriptors and thread pointer, and runs fn(arg), which never
 * returns. The process id, or -errno. */
int sys_clone_child(void (*fn)(void *), void *arg, void *stack_top);

/* An ordinary child that runs fn(arg), which execs or exits, in this memory; returns when it has.
 * The process id, or -errno. */
int sys_spawn(void (*fn)(void *), void *arg, void *stack_top);

#endif
