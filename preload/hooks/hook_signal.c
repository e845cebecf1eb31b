/* SPDX-License-Identifier: MIT
 *
 * The program's calls about signal handlers. The dump signal is used by the library and by the
 * program: the kernel always has the library's handler for it (own_signals.c), and the program
 * reads back what it set (disposition.h). SIGTERM, SIGINT and SIGHUP have the library's handler
 * only while the program leaves them at their default action. All others are passed on as they are.
 *
 * Any thread, also in the program's signal handlers. In a vfork child, whose kernel dispositions
 * are its own, only the real functions are called.
 */
#include "collectors/base/sys.h"
#include "preload/hooks/disposition.h"
#include "preload/hooks/own_signals.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <string.h>

static uint64_t interrupting; /* bits: signals for which siginterrupt() has turned SA_RESTART off */

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct disposition *d = disposition_find(sig);
    if (!d) {
        int err = real_other.sigaction(sig, act, old);
        if (err == 0 && act) {
            own_signals_see_action(sig, act);
        }
        return err;
    }
    struct sigaction before = disposition_read(d);
    if (act) {
        struct sigaction after = *act;
        disposition_write(d, &after);
        own_signals_changed(d);
        own_signals_see_action(sig, &after);
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
    if (!disposition_find(sig) || handler == SIG_ERR) {
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
    if (!disposition_find(sig) || handler == SIG_ERR) {
        return real_other.sysv_signal(sig, handler);
    }
    return signal_with(sig, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

/* libc's own would read the kernel's disposition, which has our handler, and install that with
 * other flags. */
EXPORT int siginterrupt(int sig, int interrupt)
{
    struct disposition *d = disposition_find(sig);
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

/* X/Open's: installs a handler and unblocks the signal, or blocks it where the handler is SIG_HOLD.
 * The result is the handler before, or SIG_HOLD if the signal was blocked. libc's own would not see
 * what the program has set for a signal of ours. */
EXPORT sighandler_t sigset(int sig, sighandler_t handler)
{
    struct sigaction act;
    struct sigaction old;
    uint64_t one = 1ULL << (sig - 1);
    uint64_t before = 0;
    if (!disposition_find(sig) || handler == SIG_ERR) {
        return real_other.sigset(sig, handler);
    }
    if (handler == SIG_HOLD) {
        sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, &one, &before, sizeof one);
        sigaction(sig, NULL, &old);
    } else {
        memset(&act, 0, sizeof act);
        act.sa_handler = handler;
        sigaction(sig, &act, &old);
        sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, &one, &before, sizeof one);
    }
    return before & one ? SIG_HOLD : old.sa_handler;
}
