/* SPDX-License-Identifier: MIT
 *
 * SIGPROF and the dump signal are used by the library and by the program. The kernel always has the
 * library's handlers for both; the program reads back what it set, and its own handler is called
 * for the signals that are its own. SIGTERM, SIGINT and SIGHUP have the library's handler only
 * while the program leaves them at their default action, so that a dump is made before they end the
 * process.
 *
 * Which signals are the program's: a timer's signal carries the address of a row of our registry of
 * threads, and other signals of the library's can be told likewise. All others are the program's,
 * except that the dump signal asks for a dump, unless the process sent it to itself and has a
 * handler for it.
 *
 * Contexts: the hooks run in any thread; the handlers at any instruction, also in threads without a
 * thread block. A vfork child shares our memory, but its kernel dispositions are its own: there
 * (the pid differs) the hooks only call the real functions.
 */
#include "collectors/base/lock_wait.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/allthreads_ask.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <errno.h>
#include <string.h>

/* What the program believes is installed for a signal. Handlers read it at any instruction: the
 * copy in force is program[version % 2], and a writer fills the other copy before it counts the
 * version up. So a reader, or a child that is forked meanwhile, never finds a copy half written. */
struct disposition {
    int signal; /* 0 = this one is not taken over */
    struct lock writers;
    uint32_t version;
    struct sigaction program[2];
};

enum { PROF, DUMP, FATAL, OWNED = FATAL + 3 };
static struct disposition owned[OWNED];
static uint32_t dying; /* 1 = on_fatal() makes its dump: the next such signal kills at once */
static uint64_t interrupting; /* bits: signals for which siginterrupt() has turned SA_RESTART off */
static uint64_t masks_prof; /* bits: signals whose handlers the program wants SIGPROF blocked in */

static struct disposition *owned_find(int sig)
{
    for (int i = 0; i < OWNED; i++) {
        if (owned[i].signal == sig && sig != 0 && control_is_here()) {
            return &owned[i];
        }
    }
    return NULL;
}

static struct sigaction disposition_read(const struct disposition *d)
{
    struct sigaction copy;
    uint32_t version;
    do {
        version = LOAD_ACQUIRE(&d->version);
        memcpy(&copy, &d->program[version % 2], sizeof copy);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (version != LOAD(&d->version));
    return copy;
}

static void disposition_write(struct disposition *d, const struct sigaction *act)
{
    uint64_t mask = sys_block_signals();
    lock_take(&d->writers, LOCK_SIGNAL);
    uint32_t version = LOAD(&d->version);
    memcpy(&d->program[(version + 1) % 2], act, sizeof *act);
    STORE_RELEASE(&d->version, version + 1);
    lock_drop(&d->writers);
    sys_restore_signals(mask);
}

static bool is_default(const struct sigaction *act)
{
    return !(act->sa_flags & SA_SIGINFO) && act->sa_handler == SIG_DFL;
}

static void restore_default(int sig)
{
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    real_other.sigaction(sig, &plain, NULL);
}

void hook_signal_fork_child(void)
{
    dying = 0;
    for (int i = 0; i < OWNED; i++) {
        lock_drop(&owned[i].writers);
        /* A process 1, of a new pid namespace, ignores signals that are at their default. */
        if (i >= FATAL && owned[i].signal && control_pid() == 1) {
            restore_default(owned[i].signal);
            owned[i].signal = 0;
        }
    }
}

static bool is_function(const struct sigaction *act)
{
    return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
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
    if (!is_function(&act)) {
        if (act.sa_handler == SIG_DFL && d == &owned[PROF]) {
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
    struct sigaction act = disposition_read(&owned[PROF]);
    if (is_function(&act) || !came_without_siginfo(info)) {
        call_program(&owned[PROF], sig, info, context);
    }
}

static BELOW_PROGRAM void on_dump(int sig, siginfo_t *info, void *context)
{
    struct sigaction act = disposition_read(&owned[DUMP]);
    if (control_is_profiled() &&
        (!is_function(&act) || info->si_code > 0 || info->si_pid != sys_getpid())) {
        control_dump(context);
    }
    call_program(&owned[DUMP], sig, info, context);
}

/* SIGTERM, SIGINT or SIGHUP, at its default action: dumps, and ends the process. None of the three
 * is blocked meanwhile, so that a second one ends the process at once. */
static BELOW_PROGRAM void on_fatal(int sig, siginfo_t *info, void *context)
{
    struct disposition *d = owned_find(sig); /* NULL in a vfork child, which makes no dump */
    struct sigaction act;
    if (d) {
        act = disposition_read(d);
        if (!is_default(&act)) { /* the program has set a handler since the signal came */
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
static int others_sigaction(int sig, const struct sigaction *act, struct sigaction *old);
static const int fatal_signals[OWNED - FATAL] = {SIGTERM, SIGINT, SIGHUP};
static bool small_stacks; /* an alternate stack of the program is smaller than STACK_NEEDED */

static int install(struct disposition *d)
{
    struct sigaction program = disposition_read(d);
    struct sigaction ours;
    bool fatal = d >= &owned[FATAL];
    if (fatal && !is_default(&program)) {
        return others_sigaction(d->signal, &program, NULL);
    }
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = fatal ? on_fatal : d == &owned[PROF] ? on_prof : on_dump;
    ours.sa_flags = SA_SIGINFO;
    ours.sa_flags |= is_function(&program) ? program.sa_flags & (SA_RESTART | SA_ONSTACK)
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

/* ---- the program's calls ---- */

/* For signals that are not taken over. While a handler ran with SIGPROF blocked, its thread would
 * not be sampled: the kernel is given sa_mask without SIGPROF, and the program reads it back with.
 */
static int others_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct sigaction without;
    bool valid = sig > 0 && sig <= 64;
    bool masked = valid && act && sigismember(&act->sa_mask, SIGPROF) == 1;
    if (masked) {
        without = *act;
        sigdelset(&without.sa_mask, SIGPROF);
        act = &without;
    }
    uint64_t bit = valid ? 1ULL << (sig - 1) : 0;
    bool before = LOAD(&masks_prof) & bit;
    int err = real_other.sigaction(sig, act, old);
    if (err == 0 && act) {
        if (masked) {
            __atomic_fetch_or(&masks_prof, bit, __ATOMIC_RELAXED);
        } else if (before) {
            __atomic_fetch_and(&masks_prof, ~bit, __ATOMIC_RELAXED);
        }
    }
    if (err == 0 && old && before) {
        sigaddset(&old->sa_mask, SIGPROF);
    }
    return err;
}

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct disposition *d = owned_find(sig);
    if (!d) {
        return owned[PROF].signal && control_is_here() ? others_sigaction(sig, act, old)
                                                       : real_other.sigaction(sig, act, old);
    }
    struct sigaction before = disposition_read(d);
    if (act) {
        struct sigaction after = *act;
        disposition_write(d, &after);
        install(d);
    }
    if (old) {
        *old = before;
    }
    return 0;
}

EXPORT int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    return sigaction(sig, act, old);
}

static sighandler_t signal_with(int sig, sighandler_t handler, int flags)
{
    struct sigaction act;
    struct sigaction old;
    memset(&act, 0, sizeof act);
    act.sa_handler = handler;
    act.sa_flags = flags;
    if (!(flags & SA_NODEFER)) {
        sigaddset(&act.sa_mask, sig);
    }
    return sigaction(sig, &act, &old) == 0 ? old.sa_handler : SIG_ERR;
}

EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
    if (!owned_find(sig) || handler == SIG_ERR) {
        return real_other.signal(sig, handler);
    }
    bool restart = !(LOAD(&interrupting) >> (sig - 1) & 1);
    return signal_with(sig, handler, restart ? SA_RESTART : 0);
}

EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
    if (!owned_find(sig) || handler == SIG_ERR) {
        return real_other.sysv_signal(sig, handler);
    }
    return signal_with(sig, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

/* libc's own would read the kernel's disposition, which has our handler, and install that with
 * other flags. */
EXPORT int siginterrupt(int sig, int interrupt)
{
    struct disposition *d = owned_find(sig);
    if (!d) {
        return real_other.siginterrupt(sig, interrupt);
    }
    uint64_t bit = 1ULL << (sig - 1);
    if (interrupt) {
        __atomic_fetch_or(&interrupting, bit, __ATOMIC_RELAXED);
    } else {
        __atomic_fetch_and(&interrupting, ~bit, __ATOMIC_RELAXED);
    }
    struct sigaction act = disposition_read(d);
    act.sa_flags = interrupt ? act.sa_flags & ~SA_RESTART : act.sa_flags | SA_RESTART;
    return sigaction(sig, &act, NULL);
}

EXPORT int sigignore(int sig)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    return sigaction(sig, &ignore, NULL);
}

EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
    return __sysv_signal(sig, handler);
}

/* What our handlers need of a stack: the kernel's frame, and 2 KiB. If the
 * program has set a smaller alternate stack, for any thread, our handlers are installed without
 * SA_ONSTACK, unless the program's own for that signal asks for it. */
enum { STACK_NEEDED = ARCH_SIGNAL_FRAME + (2 << 10) };

EXPORT int sigaltstack(const stack_t *stack, stack_t *old)
{
    int err = real_other.sigaltstack(stack, old);
    if (err == 0 && stack && !(stack->ss_flags & SS_DISABLE) && stack->ss_size < STACK_NEEDED &&
        !LOAD(&small_stacks)) {
        STORE(&small_stacks, true);
        for (int i = 0; i < OWNED; i++) {
            if (owned[i].signal) {
                install(&owned[i]);
            }
        }
    }
    return err;
}

/* ---- start ---- */

static void take_over(struct disposition *d, int sig)
{
    if (real_other.sigaction(sig, NULL, &d->program[0]) == 0) {
        d->signal = sig;
        if (install(d) != 0) {
            d->signal = 0;
        }
    }
}

void hook_signal_start(int dump_signal, bool dump_at_end)
{
    for (size_t i = 0; dump_at_end && sys_getpid() != 1 && i < ARRAY_LEN(fatal_signals); i++) {
        if (fatal_signals[i] != dump_signal) {
            take_over(&owned[FATAL + i], fatal_signals[i]);
        }
    }
    if (dump_signal) {
        take_over(&owned[DUMP], dump_signal);
    }
    take_over(&owned[PROF], SIGPROF); /* also with the cpu profile off: allthreads.c sends it */
    hook_sigmask_start();
}

/* Does the program ignore this signal? Of PROF and DUMP, for which the kernel always has ours. */
static bool is_ignored(const struct disposition *d)
{
    struct sigaction act = disposition_read(d);
    return d->signal && !(act.sa_flags & SA_SIGINFO) && act.sa_handler == SIG_IGN;
}

void hook_signal_before_exec(void)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    for (int i = 0; i < FATAL; i++) {
        if (is_ignored(&owned[i])) {
            real_other.sigaction(owned[i].signal, &ignore, NULL);
        }
    }
}

void hook_signal_exec_failed(void)
{
    for (int i = 0; i < FATAL; i++) {
        if (is_ignored(&owned[i])) {
            install(&owned[i]);
        }
    }
}

void hook_signal_stop(void)
{
    for (int i = FATAL; i < OWNED; i++) {
        if (owned[i].signal) {
            struct sigaction program = disposition_read(&owned[i]);
            others_sigaction(owned[i].signal, &program, NULL);
            owned[i].signal = 0;
        }
    }
}

uint64_t hook_signal_mask(void)
{
    uint64_t mask = 0;
    for (int i = 0; i < FATAL; i++) {
        mask |= owned[i].signal ? 1ULL << (owned[i].signal - 1) : 0;
    }
    return mask;
}
