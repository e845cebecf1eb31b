/* SPDX-License-Identifier: MIT
 *
 * The program's signal masks, without SIGPROF. A thread that blocked SIGPROF would not be sampled,
 * so the kernel's mask does not hold it when the program blocks it; self.prof_blocked says that the
 * program believes it is blocked. The kernel is told after all (self.prof_real) when a SIGPROF that
 * the program sent comes to such a thread, or when the thread is about to wait for one: then the
 * thread's timer is paused, and the signal stays pending, where sigwait, signalfd and the like find
 * it. All other signals, the dump signal among them, are blocked as the program says.
 *
 * Any thread, also in the program's signal handlers.
 */
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/stacks/stack.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

#define PROF_BIT (1ULL << (SIGPROF - 1))

static bool active;

static bool is_active(void)
{
    return LOAD(&active) &&
           control_is_here(); /* a vfork child shares self, but not the kernel's mask */
}

void hook_sigmask_start(void)
{
    uint64_t prof = PROF_BIT;
    uint64_t inherited = 0;
    sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &prof, &inherited, sizeof prof);
    self.prof_blocked = inherited & PROF_BIT;
    STORE(&active, true);
}

void hook_sigmask_thread_begin(void)
{
    uint64_t prof = PROF_BIT;
    uint64_t inherited = 0;
    if (LOAD(&active)) { /* pthread_attr_setsigmask_np() may have asked for any mask */
        sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &inherited, sizeof inherited);
        self.prof_blocked |= (inherited & PROF_BIT) != 0; /* before a pending one is delivered */
        sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &prof, NULL, sizeof prof);
    }
}

bool hook_sigmask_create_begins(void)
{
    uint64_t prof = PROF_BIT;
    bool begins = is_active() && self.prof_blocked && !self.prof_real;
    if (begins) {
        sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &prof, NULL, sizeof prof);
    }
    return begins;
}

void hook_sigmask_create_ends(bool begun)
{
    uint64_t prof = PROF_BIT;
    if (begun && !self.prof_real) {
        sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &prof, NULL, sizeof prof);
    }
}

/* ---- SIGPROF blocked in the kernel, too ---- */

/* Sends a signal once more to where it was sent, the thread or the process, so that it is pending
 * there. */
static void send_again(const siginfo_t *info)
{
    int pid = sys_getpid();
    int tid = sys_gettid();
    if (info->si_code == SI_TKILL) {
        sys_call4(SYS_rt_tgsigqueueinfo, pid, tid, SIGPROF, info);
    } else if (tid != pid || sys_call3(SYS_rt_sigqueueinfo, pid, SIGPROF, info) != 0) {
        sys_call2(SYS_kill, pid,
                  SIGPROF); /* only the first thread may send with another's siginfo */
    }
}

/* Pauses this thread's timer, takes the timer's pending signal away, and leaves the program's own
 * pending. SIGPROF is blocked. */
static void rest_timer(void)
{
    uint64_t prof = PROF_BIT;
    struct timespec at_once = {0, 0};
    siginfo_t got[2]; /* one to the thread, one to the process */
    int n = 0;
    cpu_pause_thread();
    while (n < 2 && sys_call4(SYS_rt_sigtimedwait, &prof, &got[n], &at_once, sizeof prof) > 0) {
        n += !cpu_sent(&got[n]);
    }
    while (n > 0) {
        send_again(&got[--n]);
    }
    self.prof_real = true;
}

static void block_really(void)
{
    uint64_t prof = PROF_BIT;
    if (!self.prof_real) {
        sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &prof, NULL, sizeof prof);
        rest_timer();
    }
}

static void unblock_really(void)
{
    uint64_t prof = PROF_BIT;
    if (self.prof_real) {
        self.prof_real = false;
        cpu_resume_thread();
        sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &prof, NULL, sizeof prof);
    }
}

void hook_sigmask_defer(const siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    sigaddset(&uc->uc_sigmask, SIGPROF);
    rest_timer();
    send_again(info);
}

bool hook_sigmask_wait_begins(const sigset_t *set)
{
    bool begins = is_active() && sigismember(set, SIGPROF) == 1 && !self.prof_real;
    if (begins) {
        block_really();
    }
    return begins;
}

void hook_sigmask_wait_ends(bool begun)
{
    if (begun) {
        unblock_really();
    }
}

bool hook_sigmask_is_awaited(void)
{
    uint64_t prof = PROF_BIT;
    if (!LOAD(&active) || !self.prof_blocked || self.prof_real) {
        return false;
    }
    if (control_is_here()) {
        block_really();
        return true;
    }
    /* In a vfork child: its kernel mask is its own, and ends with it. */
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &prof, NULL, sizeof prof);
    return false;
}

bool hook_sigmask_meanwhile(const sigset_t *set)
{
    bool before = self.prof_blocked;
    if (set) {
        self.prof_blocked = sigismember(set, SIGPROF) == 1;
    }
    return before;
}

void hook_sigmask_fork_child(void)
{
    if (self.prof_real) {
        cpu_pause_thread(); /* the child's thread has a new timer, which runs */
    }
}

/* ---- the program's calls ---- */

static BELOW_PROGRAM int mask_with(int (*real)(int, const sigset_t *, sigset_t *), int how,
                                   const sigset_t *set, sigset_t *old)
{
    if (!LOAD(&active) || (set && !control_is_here())) {
        return real(how, set, old);
    }
    bool before = self.prof_blocked;
    bool named = set && sigismember(set, SIGPROF) == 1;
    sigset_t without;
    if (set) {
        without = *set;
        sigdelset(&without, SIGPROF);
        if (self.prof_real && how == SIG_SETMASK) {
            sigaddset(&without, SIGPROF);
        }
    }
    int err = real(how, set ? &without : NULL, old);
    if (err) {
        return err;
    }
    if (old && before) {
        sigaddset(old, SIGPROF);
    }
    if (named || (set && how == SIG_SETMASK)) {
        self.prof_blocked = named && how != SIG_UNBLOCK;
    }
    if (!self.prof_blocked) {
        unblock_really();
    }
    return 0;
}

EXPORT BELOW_PROGRAM int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return mask_with(real_other.pthread_sigmask, how, set, old);
}

EXPORT BELOW_PROGRAM int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return mask_with(real_other.sigprocmask, how, set, old);
}

/* ---- the older calls, made of the above: libc's own do not call the hooks ---- */

static sigset_t set_of(int mask)
{
    sigset_t set;
    sigemptyset(&set);
    for (int sig = 1; sig < 32; sig++) {
        if ((unsigned)mask >> (sig - 1) & 1) {
            sigaddset(&set, sig);
        }
    }
    return set;
}

static int mask_of(const sigset_t *set)
{
    unsigned mask = 0;
    for (int sig = 1; sig < 32; sig++) {
        mask |= sigismember(set, sig) == 1 ? 1U << (sig - 1) : 0;
    }
    return (int)mask;
}

static int old_style(int how, int mask)
{
    sigset_t set = set_of(mask);
    sigset_t old;
    return sigprocmask(how, &set, &old) == 0 ? mask_of(&old) : -1;
}

EXPORT int sigsetmask(int mask)
{
    return old_style(SIG_SETMASK, mask);
}

EXPORT int sigblock(int mask)
{
    return old_style(SIG_BLOCK, mask);
}

EXPORT int siggetmask(void)
{
    return old_style(SIG_BLOCK, 0);
}

static int one_signal(int how, int sig)
{
    sigset_t set;
    sigemptyset(&set);
    return sigaddset(&set, sig) == 0 ? sigprocmask(how, &set, NULL) : -1;
}

EXPORT int sighold(int sig)
{
    return one_signal(SIG_BLOCK, sig);
}

EXPORT int sigrelse(int sig)
{
    return one_signal(SIG_UNBLOCK, sig);
}

/* X/Open's: installs a handler and unblocks the signal, or blocks it where the handler is SIG_HOLD.
 * The result is the handler before, or SIG_HOLD if the signal was blocked. */
EXPORT sighandler_t sigset(int sig, sighandler_t handler)
{
    struct sigaction act;
    struct sigaction old;
    sigset_t mask;
    if (handler == SIG_ERR || sig < 1 || sig >= NSIG) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (sigaction(sig, NULL, &old) != 0 || sigprocmask(SIG_BLOCK, NULL, &mask) != 0) {
        return SIG_ERR;
    }
    bool held = sigismember(&mask, sig) == 1;
    if (handler == SIG_HOLD) {
        return one_signal(SIG_BLOCK, sig) == 0 ? (held ? SIG_HOLD : old.sa_handler) : SIG_ERR;
    }
    sigemptyset(&act.sa_mask);
    act.sa_handler = handler;
    act.sa_flags = 0;
    if (sigaction(sig, &act, NULL) != 0 || one_signal(SIG_UNBLOCK, sig) != 0) {
        return SIG_ERR;
    }
    return held ? SIG_HOLD : old.sa_handler;
}
