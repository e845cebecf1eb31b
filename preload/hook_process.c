/* SPDX-License-Identifier: MIT
 *
 * The forks and ends of the process, but for exit() and a return from main, which reach us through
 * the library's destructor (init.c). Fork handlers hold every lock of ours over the copy, and our
 * signals, which otherwise restart the copying of a large process for ever.
 */
#include "collectors/base/sys.h"
#include "collectors/cpu.h"
#include "collectors/heap.h"
#include "collectors/live.h"
#include "collectors/recorded.h"
#include "collectors/rules.h"
#include "preload/control.h"
#include "preload/hooks.h"
#include "preload/real.h"

#include <stdlib.h>
#include <sys/single_threaded.h>
#include <unistd.h>

/* Of the one thread that is forking: pthread_atfork's handlers run under libc's own lock. */
static uint64_t mask_before;
static bool locks_held;

static void fork_prepare(void)
{
    uint64_t ours = hook_signal_mask();
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &mask_before, sizeof ours);
    locks_held = !__libc_single_threaded; /* alone, nobody else is in the middle of anything */
    if (locks_held) {
        rules_fork_prepare();
        live_fork_prepare();
    }
}

static void fork_done(void)
{
    uint64_t mask = mask_before;
    if (locks_held) {
        live_fork_done();
        rules_fork_done();
    }
    sys_restore_signals(mask);
}

static void fork_child(void)
{
    recorded_fork_child();
    control_fork_child();
    cpu_fork_child();
    heap_fork_child();
    fork_done();
}

void hook_process_start(void)
{
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
