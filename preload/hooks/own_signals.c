/* SPDX-License-Identifier: MIT
 *
 * The library's signal handlers: that of SIGPROF, by which threads are timed and asked where they
 * are; that of the dump signal; and those of SIGTERM, SIGINT and SIGHUP, which the library has only
 * while the program leaves them at their default action, so that a dump is made before they end the
 * process. They are installed here, and each signal that comes is told apart.
 *
 * Which signals are the program's: a timer's signal carries the address of a row of our registry of
 * threads, and other signals of the library's can be told likewise. All others are the program's,
 * and its handler is called, except that the dump signal asks for a dump, unless the process sent
 * it to itself and has a handler for it.
 *
 * The handlers run at any instruction, also in threads without a thread block.
 */
#include "preload/hooks/own_signals.h"

#include "collectors/base/newborn.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/allthreads_ask.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <string.h>

static uint32_t dying; /* 1 = on_fatal() makes its dump: the next such signal kills at once */

static void restore_default(int sig)
{
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    real_other.sigaction(sig, &plain, NULL);
}

/* ---- the handlers ---- */

/* Has the kernel take the default action of a signal that has come. */
static void act_by_default(int sig)
{
    restore_default(sig);
    sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), sig);
    uint64_t bit = 1ULL << (sig - 1);
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, NULL, sizeof bit);
}

/* Calls the program's handler as the kernel would have: with the signals blocked that the program
 * asked for, and not those that our handler runs with. */
static BELOW_PROGRAM void call_program(struct disposition *d, int sig, siginfo_t *info,
                                       void *context)
{
    struct sigaction act = disposition_read(d);
    if (!disposition_is_function(&act)) {
        if (act.sa_handler == SIG_DFL && d == &dispositions[OURS_PROF]) {
            act_by_default(sig);
        }
        return;
    }
    if (act.sa_flags & (int)SA_RESETHAND) {
        struct sigaction once = act;
        once.sa_handler = SIG_DFL;
        disposition_write(d, &once);
    }
    const ucontext_t *uc = context;
    uint64_t interrupted;
    uint64_t asked;
    memcpy(&interrupted, &uc->uc_sigmask, sizeof interrupted);
    memcpy(&asked, &act.sa_mask, sizeof asked);
    uint64_t mask = interrupted | asked;
    mask |= act.sa_flags & SA_NODEFER ? 0 : 1ULL << (sig - 1);
    sys_restore_signals(mask);
    if (act.sa_flags & SA_SIGINFO) {
        act.sa_sigaction(sig, info, context);
    } else {
        act.sa_handler(sig);
    }
}

/* With RLIMIT_SIGPENDING exhausted the kernel delivers a signal without its siginfo (pid 0, uid 0).
 * Such a SIGPROF may be one of our own, so its default action, which ends the process, is not
 * taken. A SIGPROF that root has sent from outside of the pid namespace looks the same. */
static bool came_without_siginfo(const siginfo_t *info)
{
    return info->si_code == SI_USER && info->si_pid == 0 && info->si_uid == 0;
}

static BELOW_PROGRAM void on_prof(int sig, siginfo_t *info, void *context)
{
    bool asked = allthreads_ask_answer(info, context);
    if (cpu_signal(info, context)) {
        control_tick(context);
        control_park();
        return;
    }
    if (asked) {
        return;
    }
    if (control_is_park_signal(info)) {
        control_park();
        return;
    }
    if (self.prof_blocked) {
        hook_sigmask_defer(info, context);
        return;
    }
    struct sigaction act = disposition_read(&dispositions[OURS_PROF]);
    if (disposition_is_function(&act) || !came_without_siginfo(info)) {
        call_program(&dispositions[OURS_PROF], sig, info, context);
    }
}

static BELOW_PROGRAM void on_dump(int sig, siginfo_t *info, void *context)
{
    newborn_look(); /* a child that no hook has seen begin */
    struct sigaction act = disposition_read(&dispositions[OURS_DUMP]);
    if (control_is_profiled() &&
        (!disposition_is_function(&act) || info->si_code > 0 || info->si_pid != sys_getpid())) {
        control_dump(context);
    }
    call_program(&dispositions[OURS_DUMP], sig, info, context);
}

/* SIGTERM, SIGINT or SIGHUP, at its default action: dumps, and ends the process. None of the three
 * is blocked meanwhile, so that a second one ends the process at once. */
static BELOW_PROGRAM void on_fatal(int sig, siginfo_t *info, void *context)
{
    struct disposition *d = disposition_find(sig); /* NULL in a vfork child, which makes no dump */
    struct sigaction act;
    if (d) {
        act = disposition_read(d);
        if (!disposition_is_default(
                &act)) { /* the program has set a handler since the signal came */
            call_program(d, sig, info, context);
            return;
        }
        if (__atomic_exchange_n(&dying, 1, __ATOMIC_RELAXED) == 0) {
            control_end_by_signal();
        }
    }
    act_by_default(sig);
}

/* Installs our handler for a signal, with those of the program's flags that the kernel acts on. */
static const int fatal_signals[OURS_COUNT - OURS_FATAL] = {SIGTERM, SIGINT, SIGHUP};
static bool small_stacks; /* an alternate stack of the program is smaller than STACK_NEEDED */

int own_signals_install(struct disposition *d)
{
    struct sigaction program = disposition_read(d);
    struct sigaction ours;
    bool fatal = d >= &dispositions[OURS_FATAL];
    if (fatal && !disposition_is_default(&program)) {
        return disposition_pass_on(d->signal, &program, NULL);
    }
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = fatal ? on_fatal : d == &dispositions[OURS_PROF] ? on_prof : on_dump;
    ours.sa_flags = SA_SIGINFO;
    ours.sa_flags |= disposition_is_function(&program)
                         ? program.sa_flags & (SA_RESTART | SA_ONSTACK)
                         : SA_RESTART | (small_stacks ? 0 : SA_ONSTACK);
    sigfillset(&ours.sa_mask); /* of the program's handlers only those of faults interrupt ours */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        sigdelset(&ours.sa_mask, faults[i]);
    }
    for (size_t i = 0; fatal && i < ARRAY_LEN(fatal_signals); i++) {
        ours.sa_flags |= SA_NODEFER;
        sigdelset(&ours.sa_mask, fatal_signals[i]);
    }
    return real_other.sigaction(d->signal, &ours, NULL);
}

/* What our handlers need of a stack: the kernel's frame, and 2 KiB. On an alternate stack that is
 * smaller they run only if the program's own handler for the same signal asks for SA_ONSTACK. */
enum { STACK_NEEDED = ARCH_SIGNAL_FRAME + (2 << 10) };

void own_signals_see_stack(const stack_t *stack)
{
    if (stack->ss_flags & SS_DISABLE || stack->ss_size >= STACK_NEEDED || LOAD(&small_stacks)) {
        return;
    }
    STORE(&small_stacks, true);
    for (int i = 0; i < OURS_COUNT; i++) {
        if (dispositions[i].signal) {
            own_signals_install(&dispositions[i]);
        }
    }
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

void own_signals_start(int dump_signal, bool dump_at_end)
{
    fatal_wanted = dump_at_end;
    dump_signal_used = dump_signal;
    take_over_fatal();
    if (dump_signal) {
        take_over(&dispositions[OURS_DUMP], dump_signal);
    }
    take_over(&dispositions[OURS_PROF],
              SIGPROF); /* also with the cpu profile off: allthreads.c sends it */
    hook_sigmask_start();
}

/* Does the program ignore this signal? Of PROF and DUMP, for which the kernel always has ours. */
static bool is_ignored(const struct disposition *d)
{
    struct sigaction act = disposition_read(d);
    return d->signal && !(act.sa_flags & SA_SIGINFO) && act.sa_handler == SIG_IGN;
}

void own_signals_before_exec(void)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    for (int i = 0; i < OURS_FATAL; i++) {
        if (is_ignored(&dispositions[i])) {
            real_other.sigaction(dispositions[i].signal, &ignore, NULL);
        }
    }
}

void own_signals_exec_failed(void)
{
    for (int i = 0; i < OURS_FATAL; i++) {
        if (is_ignored(&dispositions[i])) {
            own_signals_install(&dispositions[i]);
        }
    }
}

void own_signals_stop(void)
{
    fatal_wanted = false;
    for (int i = OURS_FATAL; i < OURS_COUNT; i++) {
        if (dispositions[i].signal) {
            struct sigaction program = disposition_read(&dispositions[i]);
            disposition_pass_on(dispositions[i].signal, &program, NULL);
            dispositions[i].signal = 0;
        }
    }
}

uint64_t own_signals_mask(void)
{
    uint64_t mask = 0;
    for (int i = 0; i < OURS_FATAL; i++) {
        mask |= dispositions[i].signal ? 1ULL << (dispositions[i].signal - 1) : 0;
    }
    return mask;
}

/* The first process of a new pid namespace: the kernel ignores what is at its default there. */
static void give_back_default(struct disposition *d)
{
    struct sigaction program = disposition_read(d);
    if (disposition_is_default(&program)) {
        restore_default(d->signal);
    }
    d->signal = 0;
}

void own_signals_fork_child(void)
{
    dying = 0;
    for (int i = 0; i < OURS_COUNT; i++) {
        lock_drop(&dispositions[i].writers);
        if (i >= OURS_FATAL && dispositions[i].signal && control_pid() == 1) {
            give_back_default(&dispositions[i]);
        }
    }
    take_over_fatal(); /* the parent may have been a process 1 */
}
