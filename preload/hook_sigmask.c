/* SPDX-License-Identifier: MIT
 *
 * The program's signal masks, without SIGPROF. Blocking it would stop the sampling of a thread, so
 * the kernel's mask never holds it; whether the program believes that it does is a bit of struct
 * self, and a SIGPROF of the program's own that arrives meanwhile waits in another. All other
 * signals, the dump signal among them, are the program's to block.
 *
 * Any thread, also in the program's signal handlers.
 */
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/stack.h"
#include "preload/control.h"
#include "preload/hooks.h"
#include "preload/real.h"

#include <errno.h>

#define PROF_BIT (1ULL << (SIGPROF - 1))

static bool active;

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
    if (LOAD(&active)) { /* the creator's attributes may have asked for any mask */
        sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &prof, &inherited, sizeof prof);
        self.prof_blocked |= (inherited & PROF_BIT) != 0;
    }
}

/* Sends the calling thread the SIGPROF that waited for it. */
static void send_pending(void)
{
    self.prof_pending = false;
    sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), SIGPROF);
}

static BELOW_PROGRAM int mask_with(int (*real)(int, const sigset_t *, sigset_t *), int how,
                                   const sigset_t *set, sigset_t *old)
{
    if (!LOAD(&active) || (set && sys_getpid() != control_pid())) {
        return real(how, set, old); /* a vfork child's mask is its own, its memory is not */
    }
    bool before = self.prof_blocked;
    bool named = set && sigismember(set, SIGPROF) == 1;
    sigset_t without;
    if (set) {
        without = *set;
        sigdelset(&without, SIGPROF);
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
    if (!self.prof_blocked && self.prof_pending) {
        send_pending();
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

/* Waits with another mask. A waiting SIGPROF that this mask lets through must end the wait: it is
 * made pending in the kernel first, where the wait itself lets it in. */
EXPORT BELOW_PROGRAM int sigsuspend(const sigset_t *set)
{
    if (!LOAD(&active)) {
        return real_other.sigsuspend(set);
    }
    bool before = self.prof_blocked;
    sigset_t without = *set;
    sigdelset(&without, SIGPROF);
    uint64_t prof = PROF_BIT;
    uint64_t mask = 0;
    sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &prof, &mask, sizeof prof);
    self.prof_blocked = sigismember(set, SIGPROF) == 1;
    if (!self.prof_blocked && self.prof_pending) {
        send_pending();
    }
    int ret = real_other.sigsuspend(&without);
    self.prof_blocked = before;
    sys_restore_signals(mask);
    return ret;
}

/* ---- the older calls, in terms of the above: libc's own would go past us ---- */

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

/* X/Open's: installs a handler and unblocks, or (SIG_HOLD) blocks; tells what was before. */
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
