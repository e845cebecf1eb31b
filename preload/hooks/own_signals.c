/* SPDX-License-Identifier: MIT
 *
 * The library's handlers for signals that belong to the program too: that of the dump signal; and
 * those of SIGTERM, SIGINT and SIGHUP, which the library has only while the program leaves them at
 * their default action, so that a dump is made before they end the process. (The timers' signal is
 * another matter: timer_signal.h.)
 *
 * The dump signal asks for a dump, unless the process sent it to itself and has a handler for it;
 * in any case the program's handler is then run. Ours is not below it on the stack: it ends in a
 * jump, with the mask set that the program's handler would have had (ARCH_SIGNAL_STUB). Ours run on
 * an alternate stack only where the program's own handler for the same signal asks for that, and
 * use little more of any stack than the kernel's frame.
 *
 * The handlers run at any instruction, also in threads without a thread block.
 */
#include "preload/hooks/own_signals.h"

#include "collectors/base/arch/stubs.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/newborn.h"
#include "collectors/base/sys.h"
#include "collectors/stacks/spare_stack.h"
#include "preload/hooks/cut.h"
#include "preload/hooks/kernel_action.h"
#include "preload/hooks/real.h"
#include "preload/hooks/timer_signal.h"
#include "preload/output/control.h"

static const int fatal_signals[OURS_COUNT - OURS_FATAL] = {SIGTERM, SIGINT, SIGHUP};
static uint32_t dying; /* 1 = the last dump is being made: the next such signal kills at once */

/* ---- the handlers ---- */

struct came {
    const siginfo_t *info;
    const void *context;
};

/* Has the process sent this signal to itself? All but the kernel's own and those of kill() and its
 * kin are notices that it has asked for: of a timer, a message queue, of input and output. */
static bool is_from_itself(const siginfo_t *info)
{
    bool by_kill =
        info->si_code == SI_USER || info->si_code == SI_TKILL || info->si_code == SI_QUEUE;
    return by_kill ? info->si_pid == sys_getpid() : info->si_code != SI_KERNEL;
}

static void look_at_dump_signal(void *arg)
{
    const struct came *c = arg;
    newborn_look(); /* a child that no hook has seen begin */
    struct sigaction act = disposition_read(&dispositions[OURS_DUMP]);
    if (control_is_profiled() && (!disposition_is_function(&act) || !is_from_itself(c->info))) {
        control_dump(c->context);
    }
}

void *own_signals_dump_came(int sig, const siginfo_t *info, void *context)
{
    struct came c = {info, context};
    struct sigaction act = disposition_read(&dispositions[OURS_DUMP]);
    if (!disposition_is_function(&act)) {
        cut_mark(context);
    }
    spare_stack_call(look_at_dump_signal, &c);
    act = disposition_read(&dispositions[OURS_DUMP]);
    if (disposition_is_function(&act)) { /* another thread may have set it meanwhile */
        cut_forget(context);
    }
    void *handler = disposition_handler(&dispositions[OURS_DUMP], sig, context);
    if (handler && (act.sa_flags & (int)SA_RESETHAND)) { /* the next one is ours alone */
        own_signals_install(&dispositions[OURS_DUMP]);
    }
    return handler;
}

static void make_last_dump(void *unused)
{
    (void)unused;
    control_end_by_signal();
}

/* SIGTERM, SIGINT or SIGHUP, at its default action: dumps, and ends the process. None of the three
 * is blocked meanwhile, so that a second one ends the process at once. */
void *own_signals_fatal_came(int sig, const siginfo_t *info, void *context)
{
    struct disposition *d = disposition_find(sig); /* NULL in a vfork child, which makes no dump */
    (void)info;
    if (d) {
        struct sigaction act = disposition_read(d);
        if (!disposition_is_default(&act)) { /* the program has set it since the signal came */
            return disposition_handler(d, sig, context);
        }
        if (__atomic_exchange_n(&dying, 1, __ATOMIC_RELAXED) == 0) {
            spare_stack_call(make_last_dump, NULL);
        }
    }
    kernel_action_by_default(sig);
    return NULL;
}

ARCH_SIGNAL_STUB(on_dump, own_signals_dump_came)
ARCH_SIGNAL_STUB(on_fatal, own_signals_fatal_came)

/* ---- when they are installed ---- */

int own_signals_install(struct disposition *d)
{
    struct sigaction program = disposition_read(d);
    bool fatal = d >= &dispositions[OURS_FATAL];
    if (fatal && !disposition_is_default(&program)) {
        return real_other.sigaction(d->signal, &program, NULL);
    }
    int flags = SA_SIGINFO | (program.sa_flags & ~(int)(SA_NODEFER | SA_RESETHAND));
    if (!disposition_is_function(&program)) {
        flags = (flags & ~SA_ONSTACK) | SA_RESTART;
    }
    uint64_t mask = kernel_action_handler_mask();
    for (size_t i = 0; fatal && i < ARRAY_LEN(fatal_signals); i++) {
        flags |= SA_NODEFER;
        mask &= ~kernel_action_bit(fatal_signals[i]);
    }
    return kernel_action_set(d->signal, fatal ? on_fatal : on_dump, flags, mask);
}

/* Does the program ignore this signal, for which the kernel has our handler? */
static bool is_ignored(const struct disposition *d)
{
    struct sigaction act = disposition_read(d);
    return d->signal && act.sa_handler == SIG_IGN;
}

int own_signals_changed(struct disposition *d)
{
    if (d < &dispositions[OURS_FATAL] && is_ignored(d)) {
        kernel_action_set(d->signal, SIG_IGN, 0, 0);
    }
    return own_signals_install(d);
}

/* ---- start ---- */

static bool fatal_wanted; /* a dump is to be made before the fatal signals end the process */
static int dump_signal_used;

static void take_over(struct disposition *d, int sig)
{
    struct sigaction program;
    if (real_other.sigaction(sig, NULL, &program) == 0) {
        disposition_write(d, &program);
        d->signal = sig;
        if (own_signals_install(d) != 0) {
            d->signal = 0;
        }
    }
}

/* Not in a process 1, for which the kernel ignores signals that are at their default. */
static void take_over_fatal(void)
{
    for (size_t i = 0; fatal_wanted && sys_getpid() != 1 && i < ARRAY_LEN(fatal_signals); i++) {
        struct disposition *d = &dispositions[OURS_FATAL + i];
        if (!d->signal && fatal_signals[i] != dump_signal_used) {
            take_over(d, fatal_signals[i]);
        }
    }
}

bool own_signals_start(int dump_signal, bool dump_at_end)
{
    kernel_action_start();
    fatal_wanted = dump_at_end;
    dump_signal_used = dump_signal;
    take_over_fatal();
    if (dump_signal) {
        take_over(&dispositions[OURS_DUMP], dump_signal);
    }
    return timer_signal_start(); /* also with the cpu profile off: threads are asked by it */
}

void own_signals_before_exec(void)
{
    timer_signal_before_exec();
    for (int i = 0; i < OURS_FATAL; i++) {
        if (is_ignored(&dispositions[i])) {
            kernel_action_set(dispositions[i].signal, SIG_IGN, 0, 0);
        }
    }
}

void own_signals_exec_failed(void)
{
    timer_signal_look();
    for (int i = 0; i < OURS_FATAL; i++) {
        if (is_ignored(&dispositions[i])) {
            own_signals_install(&dispositions[i]);
        }
    }
}

/* Handlers of faults are put on alternate stacks in other programs, too. */
static bool is_fault(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP ||
           sig == SIGABRT || sig == SIGSYS;
}

void own_signals_see_action(int sig, const struct sigaction *act)
{
    struct libc_object definer;
    if (LIKELY(!real_before.sigaction) || kernel_action_uses_alternate_stacks() ||
        !(act->sa_flags & SA_ONSTACK) || !disposition_is_function(act) || is_fault(sig) ||
        !control_is_here() || !libc_object_find(&definer, (uintptr_t)real_before.sigaction) ||
        !libc_object_is_program(&definer)) {
        return;
    }
    kernel_action_use_alternate_stacks();
    timer_signal_renew();
    for (int i = 0; i < OURS_COUNT; i++) {
        if (dispositions[i].signal) {
            own_signals_install(&dispositions[i]);
        }
    }
}

void own_signals_leave_fatal(void)
{
    fatal_wanted = false;
    for (int i = OURS_FATAL; i < OURS_COUNT; i++) {
        if (dispositions[i].signal) {
            struct sigaction program = disposition_read(&dispositions[i]);
            real_other.sigaction(dispositions[i].signal, &program, NULL);
            dispositions[i].signal = 0;
        }
    }
}

void own_signals_stop(void)
{
    timer_signal_stop();
    own_signals_leave_fatal();
}

uint64_t own_signals_unhandled(void)
{
    const struct disposition *d = &dispositions[OURS_DUMP];
    struct sigaction program = disposition_read(d);
    return d->signal && !disposition_is_function(&program) ? kernel_action_bit(d->signal) : 0;
}

uint64_t own_signals_mask(void)
{
    uint64_t mask = kernel_action_bit(LIBC_SIGNAL_CANCEL);
    for (int i = 0; i < OURS_FATAL; i++) {
        mask |= dispositions[i].signal ? kernel_action_bit(dispositions[i].signal) : 0;
    }
    return mask;
}

/* The first process of a new pid namespace: the kernel ignores what is at its default there. */
static void give_back_default(struct disposition *d)
{
    struct sigaction program = disposition_read(d);
    if (disposition_is_default(&program)) {
        kernel_action_set(d->signal, SIG_DFL, 0, 0);
    }
    d->signal = 0;
}

void own_signals_fork_child(void)
{
    dying = 0;
    timer_signal_fork_child();
    for (int i = 0; i < OURS_COUNT; i++) {
        lock_drop(&dispositions[i].writers);
        if (i >= OURS_FATAL && dispositions[i].signal && control_pid() == 1) {
            give_back_default(&dispositions[i]);
        }
    }
    take_over_fatal(); /* the parent may have been a process 1 */
}
