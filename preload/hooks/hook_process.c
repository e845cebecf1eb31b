/* SPDX-License-Identifier: MIT
 *
 * Children that the program makes with a copy of its memory, by libc's fork(), _Fork() and clone()
 * and by syscall(), and those that no hook sees (newborn.h); and its ends by exit() or a return
 * from main, _exit(), _Exit() and quick_exit(). A child that shares the memory (vfork, CLONE_VM) is
 * left alone.
 *
 * Our signals are blocked during a fork: the kernel starts it anew after each signal, and copying a
 * large process takes longer than a timer's period. None of our locks is held during a fork: libc
 * takes its stdio locks between our handlers, and a thread that holds one of those may be inside
 * malloc, waiting for ours. So the child mends what a lock guarded that another thread held. It
 * does so with raw system calls alone: after _Fork() and those below libc, in a signal handler too.
 */
#include "collectors/base/newborn.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/heap/live.h"
#include "collectors/kinds.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/spare_stack.h"
#include "collectors/stacks/stack.h"
#include "collectors/stacks/unloaded.h"
#include "collectors/tables/recorded.h"
#include "collectors/threads/labels_pool.h"
#include "collectors/threads/threads.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/own_signals.h"
#include "preload/hooks/real.h"
#include "preload/init.h"
#include "preload/output/control.h"
#include "preload/output/seccomp.h"

#include <linux/sched.h>
#include <stdlib.h>
#include <unistd.h>

static void (*api_fork_child)(void); /* given by hook_process_start() */
static uint64_t forks; /* made by this process, and by its ancestors before they made it */

/* ---- in the child ---- */

/* A vfork child of a process that has not been met: the memory is its parent's. */
static bool shares_memory_with_parent(void)
{
    enum { KCMP_VM_ = 1 };
    return sys_call5(SYS_kcmp, sys_getpid(), sys_call0(SYS_getppid), KCMP_VM_, 0, 0) == 0;
}

static bool raw_born; /* by another way than libc's fork() */

bool hook_filter_unseen(void)
{
    if (LIKELY(!LOAD(&raw_born)) || !control_is_profiled() || !seccomp_is_unseen()) {
        return false;
    }
    cpu_leave_timers();
    init_keep_out();
    return true;
}

static void raw_birth(void)
{
    STORE(&raw_born, true);
    newborn_born();
}

/* Has the child forbidden itself system calls before it was met? Then nothing that it has inherited
 * is given back to the kernel, for the kernel gave it to the parent alone. */
static bool keeps_out(void)
{
    if (!seccomp_has_new_filters()) {
        return false;
    }
    threads_fork_child(NULL);
    self.thread = NULL;
    init_keep_out();
    return true;
}

static bool meet_child(bool at_birth)
{
    if (!control_is_profiled()) { /* the child is not either, and a filter may forbid system calls
                                   */
        live_fork_child();
        dispatch_fork_child();
        return true;
    }
    if (!at_birth) {
        if (shares_memory_with_parent()) {
            return false;
        }
        STORE(&raw_born, true);
        /* Not the seeds of the child that the parent's next fork makes. */
        forks += (uint64_t)sys_getpid() << 32;
    }
    dispatch_fork_child();
    rules_fork_child();
    recorded_fork_child();
    control_fork_child();
    own_signals_fork_child();
    stack_fork_child();
    spare_stack_fork_child();
    unloaded_fork_child();
    hook_dlopen_fork_child();
    labels_pool_fork_child();
    kinds_fork_child(LOAD(&forks));
    api_fork_child();
    return true;
}

/* ---- around a fork ---- */

uint64_t hook_fork_begins(void)
{
    uint64_t ours = own_signals_mask();
    uint64_t mask = 0;
    uint8_t selector = dispatch_open();
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &mask, sizeof ours);
    dispatch_close(selector);
    ADD(&forks, 1);
    return mask;
}

/* BELOW_PROGRAM: the time of the fork is charged as the signals are let in, here, and is libc's and
 * the kernel's. */
BELOW_PROGRAM void hook_fork_ends(uint64_t mask)
{
    if (UNLIKELY(self.dispatch_unmasked != 0) && !self.dispatch) { /* in a child */
        mask &= ~self.dispatch_unmasked;
        self.dispatch_unmasked = 0;
    }
    uint8_t selector = dispatch_open();
    sys_restore_signals(mask);
    dispatch_close(selector);
}

/* Several threads may fork at once, and fork handlers of other libraries run between this one and
 * the next two. So the mask that those restore is kept in the thread's own block. */
static void fork_prepare(void)
{
    self.fork_mask = hook_fork_begins();
}

static void fork_done(void)
{
    hook_fork_ends(self.fork_mask);
}

static void fork_parent(void)
{
    fork_done();
    hook_daemon_parent();
}

static void fork_child(void)
{
    newborn_born();
    hook_daemon_child();
    fork_done();
}

EXPORT pid_t _Fork(void)
{
    uint64_t mask = hook_fork_begins();
    pid_t child = real_other.fork_alone();
    if (child == 0) {
        raw_birth();
    }
    hook_fork_ends(mask);
    return child;
}

BELOW_PROGRAM int hook_birth_begin(void *birth)
{
    const struct hook_birth own = *(const struct hook_birth *)birth;
    raw_birth();
    hook_fork_ends(own.mask);
    return own.fn(own.arg);
}

static bool is_copy(uint64_t flags, uint64_t stack)
{
    return !(flags & (CLONE_VM | CLONE_SETTLS)) && stack == 0;
}

bool hook_fork_is_plain(long nr, long a, long b)
{
    if (nr == SYS_clone) {
        return is_copy((uint64_t)a, (uint64_t)b);
    }
    const struct clone_args *args = (const void *)a; /* NOLINT: the kernel's integers */
    uintptr_t last = (uintptr_t)&args->stack_size;
    return nr == ARCH_SYS_FORK || (nr == SYS_clone3 && sys_readable((uintptr_t)args) &&
                                   sys_readable(last) && is_copy(args->flags, args->stack));
}

long hook_fork_call(long nr, long a, long b, long c, long d, long e, long f)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    uint64_t mask = hook_fork_begins();
    long child = next(nr, a, b, c, d, e, f);
    if (child == 0) {
        raw_birth();
    }
    hook_fork_ends(mask);
    return child;
}

/* ---- ends ---- */

void hook_process_end(void)
{
    uint8_t selector = dispatch_open();
    if (!hook_filter_unseen()) {
        control_end();
    }
    dispatch_close(selector);
}

EXPORT __attribute__((noreturn)) void _exit(int status)
{
    hook_process_end();
    real_other.exit_now(status);
    __builtin_unreachable();
}

EXPORT __attribute__((noreturn)) void _Exit(int status)
{
    hook_process_end();
    real_other.exit_now(status);
    __builtin_unreachable();
}

/* ---- start ---- */

static void end_of_exit(void *arg)
{
    (void)arg;
    hook_process_end();
}

/* exit() calls what was registered last first. What calls the destructors of the program's
 * libraries is registered by __libc_start_main(); so what is registered before it is called when
 * all of them have run. A library that was opened by the program comes too late for that. */
static bool end_is_last(void)
{
    return !libc_has_environment() && __cxa_atexit(end_of_exit, NULL, NULL) == 0;
}

bool hook_process_start(void (*in_child)(void))
{
    api_fork_child = in_child;
    newborn_start(meet_child, keeps_out);
    pthread_atfork(fork_prepare, fork_parent, fork_child);
    (void)at_quick_exit(hook_process_end); /* registered first, runs last */
    return end_is_last();
}
