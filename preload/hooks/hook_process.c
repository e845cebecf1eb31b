/* SPDX-License-Identifier: MIT
 *
 * Forks of the process, and its ends by _exit(), _Exit() and quick_exit(). An end by exit() or by a
 * return from main reaches us through the library's destructor (init.c).
 *
 * Our signals are blocked during a fork: the kernel starts it anew after each signal, and copying a
 * large process takes longer than a timer's period. None of our locks is held during a fork: libc
 * takes its stdio locks between our handlers, and a thread that holds one of those may be inside
 * malloc, waiting for ours. So the child mends what a lock guarded that another thread held.
 */
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/heap/live.h"
#include "collectors/kinds.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/stack.h"
#include "collectors/stacks/unloaded.h"
#include "collectors/tables/recorded.h"
#include "collectors/threads/labels_pool.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/own_signals.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <stdlib.h>
#include <unistd.h>

static void (*api_fork_child)(void); /* given by hook_process_start() */
static uint64_t forks; /* made by this process, and by its ancestors before they made it */

/* Several threads may fork at once, and fork handlers of other libraries run between this one and
 * fork_done(). So the mask that fork_done() restores is kept in the thread's own block. */
static void fork_prepare(void)
{
    uint64_t ours = own_signals_mask();
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &self.fork_mask, sizeof ours);
    ADD(&forks, 1);
}

static void fork_done(void)
{
    sys_restore_signals(self.fork_mask);
}

static void fork_child(void)
{
    if (!control_is_profiled()) { /* the child is not either, and a filter may forbid system calls
                                   */
        live_fork_child();
        fork_done();
        return;
    }
    rules_fork_child();
    recorded_fork_child();
    control_fork_child();
    own_signals_fork_child();
    stack_fork_child();
    unloaded_fork_child();
    labels_pool_fork_child();
    kinds_fork_child(LOAD(&forks));
    api_fork_child();
    hook_sigmask_fork_child();
    fork_done();
}

void hook_process_start(void (*in_child)(void))
{
    api_fork_child = in_child;
    pthread_atfork(fork_prepare, fork_done, fork_child);
    (void)at_quick_exit(control_end); /* registered first, runs last */
}

EXPORT __attribute__((noreturn)) void _exit(int status)
{
    control_end();
    real_other.exit_now(status);
    __builtin_unreachable();
}

EXPORT __attribute__((noreturn)) void _Exit(int status)
{
    control_end();
    real_other.exit_now(status);
    __builtin_unreachable();
}
