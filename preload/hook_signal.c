/* SPDX-License-Identifier: MIT
 *
 * Two signals have two masters: SIGPROF and the dump signal are handled by us and belong to the
 * program. The program reads back what it set, its handlers run for what is its own, and the kernel
 * only ever sees our handler. What is whose: a timer's signal carries the address of a row of our
 * registry; everything else is the program's, except that the dump signal asks for a dump unless
 * the program sent it to itself for a handler of its own.
 *
 * Contexts: the hooks run in any thread; the handler at any instruction, also in threads without a
 * thread block. A vfork child shares our memory but not our dispositions: there (the pid differs)
 * the hooks stand aside.
 */
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu.h"
#include "preload/control.h"
#include "preload/hooks.h"
#include "preload/real.h"

#include <errno.h>
#include <string.h>

/* What the program believes is installed. Read in handlers: a sequence lock whose writer has its
 * signals blocked. */
struct disposition {
    int signal; /* 0 = not taken over */
    uint32_t sequence;
    struct sigaction program;
};

enum { PROF, DUMP };
static struct disposition owned[2];

static struct disposition *owned_find(int sig)
{
    for (int i = 0; i < 2; i++) {
        if (owned[i].signal == sig && sig != 0 && sys_getpid() == control_pid()) {
            return &owned[i];
        }
    }
    return NULL;
}

static struct sigaction disposition_read(const struct disposition *d)
{
    struct sigaction copy;
    uint32_t before;
    do {
        before = LOAD_ACQUIRE(&d->sequence);
        memcpy(&copy, &d->program, sizeof copy);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((before & 1) || before != LOAD(&d->sequence));
    return copy;
}

static void disposition_write(struct disposition *d, const struct sigaction *act)
{
    uint64_t mask = sys_block_signals();
    uint32_t even = LOAD(&d->sequence) & ~1U;
    while (!CAS(&d->sequence, &even, even + 1)) {
        even &= ~1U;
        sys_spin_pause();
    }
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(&d->program, act, sizeof *act);
    STORE_RELEASE(&d->sequence, even + 2);
    sys_restore_signals(mask);
}

static bool is_function(const struct sigaction *act)
{
    return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

/* ---- the handler ---- */

/* The default action of a signal that nobody handles, now that the kernel thinks we do. */
static void act_by_default(int sig)
{
    struct sigaction plain;
    memset(&plain, 0, sizeof plain);
    real_other.sigaction(sig, &plain, NULL);
    sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), sig);
    uint64_t bit = 1ULL << (sig - 1);
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, NULL, sizeof bit);
}

/* Runs the program's handler as the kernel would have: with the mask that it asked for. */
static void call_program(struct disposition *d, int sig, siginfo_t *info, void *context)
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

static void on_prof(int sig, siginfo_t *info, void *context)
{
    if (cpu_signal(info, context)) {
        control_reap();
        return;
    }
    if (self.prof_blocked) { /* the program's own, which it believes to be blocked: later */
        self.prof_pending = true;
        return;
    }
    call_program(&owned[PROF], sig, info, context);
}

static void on_dump(int sig, siginfo_t *info, void *context)
{
    struct sigaction act = disposition_read(&owned[DUMP]);
    bool from_itself = info->si_code <= 0 && info->si_pid == sys_getpid();
    if (!is_function(&act) || !from_itself) {
        control_dump();
    }
    call_program(&owned[DUMP], sig, info, context);
}

/* Puts our handler under the program's disposition: of its flags those that the kernel acts on. */
static int install(struct disposition *d)
{
    struct sigaction program = disposition_read(d);
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = d == &owned[PROF] ? on_prof : on_dump;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ours.sa_flags |= is_function(&program) ? program.sa_flags & SA_RESTART : SA_RESTART;
    sigfillset(&ours.sa_mask); /* nothing of the program's runs in the middle of us, but faults */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        sigdelset(&ours.sa_mask, faults[i]);
    }
    return real_other.sigaction(d->signal, &ours, NULL);
}

/* ---- the program's calls ---- */

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct disposition *d = owned_find(sig);
    if (!d) {
        return real_other.sigaction(sig, act, old);
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

static sighandler_t signal_with(int sig, sighandler_t handler, int flags)
{
    struct sigaction act;
    struct sigaction old;
    memset(&act, 0, sizeof act);
    act.sa_handler = handler;
    act.sa_flags = flags;
    if (flags & SA_RESTART) {
        sigaddset(&act.sa_mask, sig);
    }
    return sigaction(sig, &act, &old) == 0 ? old.sa_handler : SIG_ERR;
}

EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
    if (!owned_find(sig) || handler == SIG_ERR) {
        return real_other.signal(sig, handler);
    }
    return signal_with(sig, handler, SA_RESTART);
}

EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler);
sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
    if (!owned_find(sig) || handler == SIG_ERR) {
        return real_other.sysv_signal(sig, handler);
    }
    return signal_with(sig, handler, (int)(SA_RESETHAND | SA_NODEFER));
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

/* ---- start ---- */

static void take_over(struct disposition *d, int sig)
{
    if (real_other.sigaction(sig, NULL, &d->program) == 0) {
        d->signal = sig;
        if (install(d) != 0) {
            d->signal = 0;
        }
    }
}

void hook_signal_start(int dump_signal, bool profile_cpu)
{
    if (dump_signal) {
        take_over(&owned[DUMP], dump_signal);
    }
    if (profile_cpu) {
        take_over(&owned[PROF], SIGPROF);
        hook_sigmask_start();
    }
}

uint64_t hook_signal_mask(void)
{
    uint64_t mask = 0;
    for (int i = 0; i < 2; i++) {
        mask |= owned[i].signal ? 1ULL << (owned[i].signal - 1) : 0;
    }
    return mask;
}
