/* SPDX-License-Identifier: MIT
 *
 * What the library asks of the kernel, without libc: raw system calls that return -errno and never
 * touch errno, the clocks, memory, files, futexes and our own processes. Signal handlers, hooks
 * inside malloc and our processes (which have a thread block of their own) live on this header
 * alone. How a system call is made, and all else that differs between processors, is in
 * collectors/base/arch/arch.h.
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
