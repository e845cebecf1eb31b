/* SPDX-License-Identifier: MIT
 *
 * See allthreads_read.h. Of a sleeping thread procfs tells the system call with its arguments, sp
 * and pc. The kernel copies the thread's stack, so that it cannot change or be unmapped while it is
 * walked. If the thread's CPU clock has not moved when that is done, the thread has slept all the
 * time, and the copy is of one moment. The values of bp and of other registers are not known: that
 * of bp is found out where it can be (unwind_search.h), and a walk that needs more ends early.
 */
#include "collectors/threads/allthreads_read.h"

#include "collectors/base/sys.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/procfs.h"
#include "collectors/threads/sleep_note.h"

#include <string.h>
#include <sys/uio.h>

enum { TRIES = 3 }; /* to read a thread between two of its runs */

/* ---- words ---- */

static const char *word_for_call(long number)
{
    switch (number) {
    case SYS_futex:
        return "futex wait";
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return "sleep";
    case ARCH_SYS_POLL:
    case SYS_ppoll:
    case ARCH_SYS_SELECT:
    case SYS_pselect6:
    case ARCH_SYS_EPOLL_WAIT:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return "IO wait";
    case SYS_wait4:
    case SYS_waitid:
        return "child wait";
    case ARCH_SYS_VFORK:
        return "vfork wait";
    case SYS_rt_sigtimedwait:
    case SYS_rt_sigsuspend:
    case ARCH_SYS_PAUSE:
        return "signal wait";
    default:
        return number < 0 ? "waiting" : "system call";
    }
}

static const char *word_for_state(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'D':
        return "uninterruptible";
    case 'T':
        return "stopped";
    case 't':
        return "traced";
    case 'S':
        return "sleeping";
    default:
        return "unknown";
    }
}

/* ---- one sleeping thread ---- */

/* Whether procfs tells the same of a thread the second time: how to see of another process's thread
 * that it has slept in between, as its clock cannot be read. */
static bool same_call(const struct procfs_call *a, const struct procfs_call *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* CPU time of a thread, ns; 0 = of another process, whose threads' clocks cannot be read. */
static int64_t read_clock(const struct allthreads_reader *r, int tid)
{
    int64_t ns = 0;
    if (r->pid == 0) {
        sys_clock_read(sys_thread_cpu_clock(tid), &ns);
    }
    return ns;
}

/* Copies of the stack [from, to) as much as can be read, and has room. Returns its bytes. */
static size_t copy_stack(struct allthreads_reader *r, uintptr_t from, uintptr_t to)
{
    size_t n = to - from < READ_COPY_BYTES ? to - from : READ_COPY_BYTES;
    struct iovec into = {r->copy, n};
    struct iovec at = {(void *)from, n}; /* NOLINT: an address */
    long got = sys_call6(SYS_process_vm_readv, sys_gettid(), (long)&into, 1, (long)&at, 1, 0);
    return got > 0 ? (size_t)got : 0;
}

/* The program's first function in a thread; 0 = not known. */
static uintptr_t start_of(const struct allthreads_reader *r, int tid, const struct thread *row)
{
    if (tid == (r->pid ? r->pid : sys_getpid())) {
        return facts_main();
    }
    return row ? (uintptr_t)(row->start ? (void *)row->start : (void *)row->start_c11) : 0;
}

/* The memory that a walk reads: the copy of a thread's stack from an address on. */
static struct stack_bounds bounds_of(struct allthreads_reader *r, uintptr_t from, size_t bytes,
                                     int tid, const struct thread *row)
{
    return (struct stack_bounds){.foreign = true,
                                 .copy = r->copy,
                                 .copy_lo = from,
                                 .copy_hi = from + bytes,
                                 .room = &r->room,
                                 .start = start_of(r, tid, row)};
}

/* bp: the frame pointer, 0 = not known. */
static const struct stack *walk_copy(struct allthreads_reader *r, const struct procfs_call *call,
                                     uintptr_t bp, const struct stack_bounds *bounds)
{
    arch_context_of_call(&r->context, call->pc, call->sp, call->arg);
    struct regs regs = {.pc = call->pc + 1,
                        .sp = call->sp,
                        .bp = bp,
                        .lost = LOST_ALL_BUT_BP | (bp ? 0 : LOST_BP),
                        .context = &r->context};
    return stack_of_thread(&regs, bounds);
}

/* By the thread's own note, where procfs keeps the system call to itself. Another process's thread
 * has no clock that can be read; that its note is the same is all that is known of it. */
static enum allthreads_sleeper read_noted(struct allthreads_reader *r, struct snapshot_thread *t,
                                          const struct thread *row)
{
    for (int tries = 0; row && tries < TRIES; tries++) {
        struct sleep_noted noted, again;
        int64_t clock = read_clock(r, t->tid);
        if (procfs_state(r->pid, t->tid) != 'S' || !sleep_note_read(row, &noted)) {
            return SLEEPER_UNKNOWN;
        }
        uintptr_t from = noted.caller.sp;
        size_t bytes = copy_stack(r, from, row->stack_hi);
        if (read_clock(r, t->tid) != clock || !sleep_note_read(row, &again) ||
            !sleep_note_is(&noted, &again)) {
            continue; /* it has run meanwhile */
        }
        struct stack_bounds bounds = bounds_of(r, from, bytes, t->tid, row);
        t->state = word_for_call(noted.number);
        t->stack = stack_of_thread_in(noted.function, &noted.caller, &bounds);
        return t->stack ? SLEEPER_READ : SLEEPER_UNKNOWN;
    }
    return SLEEPER_UNKNOWN;
}

enum allthreads_sleeper allthreads_read_sleeper(struct allthreads_reader *r,
                                                struct snapshot_thread *t, const struct thread *row)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct procfs_call call, again;
        int64_t clock = read_clock(r, t->tid);
        int got = procfs_call(r->pid, t->tid, &call);
        if (got <= 0) {
            return got == 0 ? SLEEPER_RUNS : read_noted(r, t, row);
        }
        if (call.sp == 0 && call.pc == 0) {
            return SLEEPER_KERNEL;
        }
        uintptr_t from = (call.sp - ARCH_RED_ZONE) & ~(sizeof(uintptr_t) - 1);
        bool own = row && call.sp >= row->stack_lo && call.sp < row->stack_hi;
        size_t bytes = copy_stack(r, from, own ? row->stack_hi : from + READ_COPY_BYTES);
        uintptr_t hook = own ? sleep_note_above(row, call.sp) : 0;
        if (r->pid ? procfs_call(r->pid, t->tid, &again) != 1 || !same_call(&call, &again)
                   : read_clock(r, t->tid) != clock) {
            continue; /* it has run meanwhile */
        }
        t->state = word_for_call(call.number);
        struct stack_bounds bounds = bounds_of(r, from, bytes, t->tid, row);
        t->stack = walk_copy(r, &call, hook, &bounds);
        return t->stack ? SLEEPER_READ : SLEEPER_UNKNOWN;
    }
    return SLEEPER_RUNS;
}

/* ---- its name and state ---- */

void allthreads_read_detail(const struct allthreads_reader *r, struct snapshot_thread *t,
                            int64_t now)
{
    procfs_name(r->pid, t->tid, t->name);
    char state = procfs_state(r->pid, t->tid);
    if (!t->state || (state && state != 'S')) {
        t->state = state == 'D' && t->state ? t->state : word_for_state(state);
    }
    int64_t ran = now < 0 || state == 'R' ? -1 : procfs_last_ran(r->pid, t->tid);
    t->minutes = ran >= 0 && now > ran ? (int)((now - ran) / 60000) : 0;
}
