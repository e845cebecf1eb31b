/* SPDX-License-Identifier: MIT
 *
 * See timer_signal.h. Whose signal one is: a timer's carries the address of a row of our registry
 * of threads, and the other ones of ours can be told likewise. libc's comes by tgkill.
 *
 * What libc does differs: glibc before 2.34 installs its handler when the process starts, from 2.34
 * on in the first pthread_cancel(), and later ones also when a timer gets a thread. Of its
 * handler's frame libc looks at the interrupted pc (from 2.41 on), and it leaves the handler by
 * unwinding through the kernel's frame: therefore ours ends in a jump to libc's, with the context
 * as it came.
 *
 * The handler runs at any instruction, also in threads without a thread block.
 */
#include "preload/hooks/timer_signal.h"

#include "collectors/base/arch/stubs.h"
#include "collectors/base/hold.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/stacks/spare_stack.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/allthreads_ask.h"
#include "preload/hooks/cut.h"
#include "preload/hooks/disposition.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/kernel_action.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <string.h>

static struct disposition next; /* what libc has set; at first, what the process began with */
static bool active;

/* ---- a signal that has come ---- */

enum whose { OURS, OURS_TO_PARK, NOT_OURS };

struct came {
    const siginfo_t *info;
    const void *context;
    enum whose whose;
};

static void look_whose(void *arg)
{
    struct came *c = arg;
    bool asked = allthreads_ask_answer(c->info, c->context);
    if (cpu_signal(c->info, c->context)) {
        control_tick(c->context);
        c->whose = OURS_TO_PARK;
    } else if (asked) {
        c->whose = OURS;
    } else {
        c->whose = control_is_park_signal(c->info) ? OURS_TO_PARK : NOT_OURS;
    }
}

/* The default action of a signal that was sent by a process. With RLIMIT_SIGPENDING exhausted the
 * kernel delivers a signal without its siginfo (pid 0, uid 0), and one of a timer may be ours. */
static void by_default(int sig, const siginfo_t *info)
{
    bool unknown = info->si_pid == 0 && info->si_uid == 0;
    if (info->si_code <= 0 && info->si_code != SI_TIMER && !unknown) {
        kernel_action_by_default(sig);
    }
}

static COLD void *pass_on(int sig, const siginfo_t *info, const void *context)
{
    struct sigaction theirs = disposition_read(&next);
    if (disposition_is_default(&theirs)) {
        by_default(sig, info);
        return NULL;
    }
    return disposition_handler(&next, sig, context);
}

void *timer_signal_came(int sig, const siginfo_t *info, void *context)
{
    struct came c = {info, context, OURS};
    (void)hook_filter_unseen(); /* then nothing is counted */
    spare_stack_call(look_whose, &c);
    if (UNLIKELY(c.whose == NOT_OURS)) {
        cut_forget(context);
        return pass_on(sig, info, context);
    }
    cut_mark(context);
    if (c.whose == OURS_TO_PARK) {
        hold_stay_running();
    }
    return NULL;
}

ARCH_SIGNAL_STUB(on_signal, timer_signal_came)

/* ---- the handler in the kernel ---- */

/* In libc's handler the signal is not blocked: a thread that is cancelled runs its destructors in
 * there, and is sampled meanwhile. libc cancels a thread once. */
static void note(const struct arch_sigaction *now)
{
    struct sigaction theirs;
    memset(&theirs, 0, sizeof theirs);
    theirs.sa_handler = now->handler;
    theirs.sa_flags = (int)now->flags | SA_NODEFER;
    memcpy(&theirs.sa_mask, &now->mask, sizeof now->mask);
    disposition_write(&next, &theirs);
}

void timer_signal_look(void)
{
    struct arch_sigaction now;
    if (!LOAD(&active) ||
        sys_call4(SYS_rt_sigaction, LIBC_SIGNAL_CANCEL, NULL, &now, sizeof now.mask) != 0 ||
        now.handler == on_signal) {
        return;
    }
    note(&now);
    /* SA_ONSTACK is there if a run-time with small stacks has added it to every handler. */
    kernel_action_set(LIBC_SIGNAL_CANCEL, on_signal,
                      SA_SIGINFO | SA_RESTART | ((int)now.flags & SA_ONSTACK),
                      kernel_action_handler_mask());
}

void timer_signal_renew(void)
{
    timer_signal_look();
    if (LOAD(&active)) {
        kernel_action_set(LIBC_SIGNAL_CANCEL, on_signal, SA_SIGINFO | SA_RESTART,
                          kernel_action_handler_mask());
    }
}

bool timer_signal_start(void)
{
    struct arch_sigaction now;
    STORE(&active, true);
    timer_signal_look();
    return sys_call4(SYS_rt_sigaction, LIBC_SIGNAL_CANCEL, NULL, &now, sizeof now.mask) == 0 &&
           now.handler == on_signal;
}

void timer_signal_stop(void)
{
    STORE(&active, false);
}

void timer_signal_fork_child(void)
{
    lock_drop(&next.writers);
}

void timer_signal_before_exec(void)
{
    struct sigaction theirs = disposition_read(&next);
    if (LOAD(&active) && theirs.sa_handler == SIG_IGN) {
        kernel_action_set(LIBC_SIGNAL_CANCEL, SIG_IGN, 0, 0);
    }
}

/* libc may install its handler in here. If the thread is cancelled meanwhile, this does not return:
 * hook_thread.c looks again at the thread's end. */
EXPORT BELOW_PROGRAM int pthread_cancel(pthread_t thread)
{
    self.cancelling = true;
    int err = real_other.pthread_cancel(thread);
    self.cancelling = false;
    timer_signal_look();
    return err;
}
