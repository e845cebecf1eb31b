/* SPDX-License-Identifier: MIT
 *
 * What the library asks of the kernel, without libc: raw system calls that return -errno and never
 * touch errno; clocks, memory, files, futexes and processes of our own. For signal handlers, hooks
 * inside malloc, and our processes, in which libc's functions must not be called. How a system call
 * is made, and all else that differs between processors, is in collectors/base/arch/arch.h. All
 * functions are SIGNAL_SAFE and need no thread block.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include "collectors/base/arch/arch.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000LL
/* The page size of this kernel; not a constant expression. */
#define PAGE_BYTES arch_page_bytes()

/* sys_callN(number, N arguments): the result, or -errno. An argument is an integer or a pointer. */
#define SYS_ARG_(x) ((long)(x))
#define sys_call6(n, a, b, c, d, e, f)                                                             \
    arch_syscall((n), SYS_ARG_(a), SYS_ARG_(b), SYS_ARG_(c), SYS_ARG_(d), SYS_ARG_(e), SYS_ARG_(f))
#define sys_call0(n) sys_call6((n), 0, 0, 0, 0, 0, 0)
#define sys_call1(n, a) sys_call6((n), (a), 0, 0, 0, 0, 0)
#define sys_call2(n, a, b) sys_call6((n), (a), (b), 0, 0, 0, 0)
#define sys_call3(n, a, b, c) sys_call6((n), (a), (b), (c), 0, 0, 0)
#define sys_call4(n, a, b, c, d) sys_call6((n), (a), (b), (c), (d), 0, 0)
#define sys_call5(n, a, b, c, d, e) sys_call6((n), (a), (b), (c), (d), (e), 0)

static inline int sys_getpid(void)
{
    return (int)sys_call0(SYS_getpid);
}

static inline int sys_gettid(void)
{
    return (int)sys_call0(SYS_gettid);
}

/* Reads a clock into *ns, in nanoseconds. False: there is no such clock, because its thread has
 * ended, and *ns is 0. */
static inline bool sys_clock_read(clockid_t clock, int64_t *ns)
{
    struct timespec ts = {0, 0};
    bool exists = sys_call2(SYS_clock_gettime, clock, &ts) == 0;
    *ns = (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
    return exists;
}

/* The time of a clock that exists as long as the caller does, in nanoseconds. */
static inline int64_t sys_clock_ns(clockid_t clock)
{
    int64_t ns;
    sys_clock_read(clock, &ns);
    return ns;
}

/* The CPU clock of thread tid of this process, as Linux's include/linux/posix-timers.h encodes it:
 * the complement of the id, above three bits that say "per thread, scheduler clock". */
static inline clockid_t sys_thread_cpu_clock(int tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6u);
}

/* Anonymous zeroed memory from the kernel, for which no swap is reserved, at an address where the
 * program had nothing (reserve.h). NULL: there is none. */
void *sys_map(size_t bytes);
/* Gives it back, all of it. p may be NULL. */
void sys_unmap(void *p, size_t bytes);

/* As the system calls, but open and read are repeated after EINTR, and files are opened with
 * O_CLOEXEC. -errno on failure. */
int sys_open(const char *path, int flags, int mode);
int sys_openat(int dir, const char *path, int flags, int mode);
void sys_close(int fd);
long sys_read(int fd, void *buf, size_t n);
/* Writes all of buf, in several calls if need be. 0 or -errno. */
int sys_write_all(int fd, const void *buf, size_t n);

/* Copies n bytes of this process's memory, which may be unmapped. 0, or -EFAULT. */
int sys_read_memory(void *dst, uintptr_t src, size_t n);
/* Whether the page that holds addr can be read. One system call. */
bool sys_readable(uintptr_t addr);
/* From now on sys_readable() asks by process_vm_readv, because valgrind reports its usual way as an
 * error of the program. */
void sys_readable_by_copy(void);

/* Blocks all signals in the calling thread; returns the mask that sys_restore_signals() puts back.
 * A mask of the kernel has 8 bytes. */
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

/* In a process of our own: the signal interrupts a sleeping system call and does nothing else. */
void sys_wake_by(int signal);
/* In a process of our own: the signal is ignored. */
void sys_ignore(int signal);
/* In a process of our own that shares the program's memory: a fault ends the process, but without a
 * core file. On kernels before 5.16 making one also kills the processes that share the memory. */
void sys_end_quietly(void);

/* Sleeps while *word == seen, at most timeout_ns (negative: without end). 0, or -errno: -EAGAIN if
 * *word is another, -ETIMEDOUT, -EINTR. */
int sys_futex_wait(const uint32_t *word, uint32_t seen, int64_t timeout_ns);
/* Wakes all that sleep on the word: threads, and processes that share this memory. */
void sys_futex_wake(const uint32_t *word);

/* A new process that shares this memory and the descriptors, and runs fn(arg), which never returns,
 * on a stack whose highest address is stack_top, with that thread pointer. *tid is its id; when the
 * process ends, the kernel clears *tid and wakes its futex, and sends no signal. The process id, or
 * -errno. */
int sys_clone_process(void (*fn)(void *), void *arg, void *stack_top, uintptr_t thread_pointer,
                      uint32_t *tid);

/* The same with the caller's thread pointer and without tid; when the process ends, its parent gets
 * SIGCHLD. */
int sys_clone_child(void (*fn)(void *), void *arg, void *stack_top);

/* A child with descriptors of its own that runs fn(arg) in this memory, on that stack, until fn
 * makes an exec or exits; only then this returns. The process id, or -errno. */
int sys_spawn(void (*fn)(void *), void *arg, void *stack_top);

#endif
