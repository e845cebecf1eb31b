/* SPDX-License-Identifier: MIT
 *
 * See dispatch.h. The dump signal is blocked in such a thread, unless the program has a handler for
 * it: the return from a handler is a system call, too, and would be handed to the program. Another
 * thread gets the signal, or it waits. The signals that end a process are left to the kernel from
 * then on, in all threads.
 */
#include "preload/hooks/dispatch.h"

#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_threads.h"
#include "preload/hooks/own_signals.h"

#include <signal.h>

READ_OFTEN bool dispatch_used;

/* The thread's allocations are not counted down to the next sample, its waits are not measured, and
 * nothing else is sampled while self.depth is not 0. */
static void pause_samples(void)
{
    self.dispatch_heap_left = self.heap_left;
    self.heap_left = ~0ULL;
    self.waits_busy = true;
    self.depth++;
}

static void resume_samples(void)
{
    self.heap_left = self.dispatch_heap_left;
    self.waits_busy = false;
    self.depth--;
}

static void step_aside(uint8_t *selector)
{
    uint64_t block = own_signals_unhandled();
    uint64_t before = 0;
    STORE(&dispatch_used, true);
    own_signals_leave_fatal();
    cpu_thread_aside();
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &block, &before, sizeof block);
    self.dispatch_unmasked = block & ~before;
    pause_samples();
    self.dispatch = selector;
}

static void unmask(void)
{
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &self.dispatch_unmasked, NULL,
              sizeof self.dispatch_unmasked);
}

static void come_back(void)
{
    self.dispatch = NULL;
    resume_samples();
    unmask();
    self.dispatch_unmasked = 0;
    cpu_thread_back();
}

struct dispatch_change dispatch_begins(unsigned long mode, unsigned long selector)
{
    struct dispatch_change change = {selector, mode != 0 && !self.dispatch};
    if (mode != 0 && !selector) {
        self.dispatch_always = DISPATCH_BLOCK;
        change.selector = (unsigned long)&self.dispatch_always;
    }
    if (change.fresh) {
        step_aside(&self.dispatch_always); /* the kernel does not look there yet */
    }
    return change;
}

void dispatch_changed(unsigned long mode, struct dispatch_change change, long result)
{
    if (result == 0 && mode != 0) {
        self.dispatch = (uint8_t *)change.selector; /* NOLINT: the kernel's integers */
    } else if (self.dispatch && (result == 0 || change.fresh)) {
        come_back();
    }
}

void dispatch_before_exec(void)
{
    if (dispatch_is_on()) {
        unmask();
    }
}

/* Its mask is set by hook_fork_ends(). */
void dispatch_fork_child(void)
{
    if (UNLIKELY(self.dispatch != NULL)) {
        self.dispatch = NULL;
        resume_samples();
    }
}
