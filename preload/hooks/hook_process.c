/* SPDX-License-Identifier: MIT
 *
 * The forks and ends of the process, but for exit() and a return from main, which reach us through
 * the library's destructor (init.c). Our signals are blocked over the fork: they would restart the
 * copying of a large process for ever. None of our locks is held over it; the child mends what they
 * guard.
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
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <stdlib.h>
#include <unistd.h>

static void (*api_fork_child)(void); /* given by hook_process_start() */
static uint64_t forks; /* of this process, and its ancestors before they forked it */

/* Several threads may fork at once, and the handlers that other libraries registered run inside
 * ours: what must be kept from one to the other is the thread's own. */
static void fork_prepare(void)
{
    uint64_t ours = hook_signal_mask();
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &self.fork_mask, sizeof ours);
    ADD(&forks, 1);
}

static void fork_done(void)
{
    sys_restore_signals(self.fork_mask);
}

static void fork_child(void)
{
    if (!control_is_profiled()) { /* nor is the child, and the kernel may be out of bounds */
        live_fork_child();
        fork_done();
        return;
    }
    rules_fork_child();
    recorded_fork_child();
    control_fork_child();
    hook_signal_fork_child();
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
