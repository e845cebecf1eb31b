/* SPDX-License-Identifier: MIT
 *
 * The program is about to install a seccomp filter on its system calls. If the filter would kill
 * the program for a system call of the library, or keep the library from writing profiles, the
 * library makes its last dump and stops: no timer, no sample, no system call. Otherwise profiling
 * goes on. The program may also forbid itself to read the time stamp counter (PR_SET_TSC): then the
 * library reads the clock instead (ticks.h). Or it may have system calls handed to itself
 * (PR_SET_SYSCALL_USER_DISPATCH): then the thread is left alone (dispatch.h).
 *
 * Any thread, and forked and vfork children.
 */
#include "collectors/base/ticks.h"
#include "preload/config.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/init.h"
#include "preload/marker.h"
#include "preload/output/control.h"
#include "preload/output/seccomp.h"

#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { PR_SET_SYSCALL_USER_DISPATCH_ = 59 }; /* Linux 5.11 */

static void hook_seccomp_ahead(unsigned long mode, const void *filter)
{
    /* Not in a vfork child, which is about to start another program: the library asks about the
     * filters in force when it starts there. */
    if (!control_is_profiled() || !control_is_here() || (mode == SECCOMP_MODE_FILTER && !filter)) {
        return;
    }
    if (mode == SECCOMP_MODE_STRICT || config.in_place || !seccomp_lets_us(filter)) {
        init_stand_down("the program forbids itself system calls that this library needs: the last "
                        "dump is made");
    }
}

/* Before a call of prctl() with these first three arguments. */
static void hook_prctl_ahead(int option, unsigned long a, unsigned long b)
{
    if (option == PR_SET_SECCOMP) {
        hook_seccomp_ahead(a, (const void *)b); /* NOLINT: the kernel's integers */
    } else if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV) {
        ticks_forbid_counter();
    } else if (option == PR_SET_CHILD_SUBREAPER && a != 0 && control_is_here()) {
        marker_is_subreaper(); /* from here on it would adopt what the library left behind */
    }
}

/* Instead of libc's syscall() for the numbers of prctl and seccomp: libseccomp calls it. */
long hook_seccomp_call(long nr, long a, long b, long c, long d, long e, long f);
long hook_seccomp_call(long nr, long a, long b, long c, long d, long e, long f)
{
    long (*next)(long, ...) = (long (*)(long, ...))real_syscall;
    bool strict = nr == SYS_seccomp && a == SECCOMP_SET_MODE_STRICT && b == 0 && c == 0;
    if (nr == SYS_prctl) {
        hook_prctl_ahead((int)a, (unsigned long)b, (unsigned long)c);
    } else if (strict || (nr == SYS_seccomp && a == SECCOMP_SET_MODE_FILTER)) {
        hook_seccomp_ahead(strict ? SECCOMP_MODE_STRICT : SECCOMP_MODE_FILTER,
                           (const void *)c); /* NOLINT: the same */
    }
    if (nr == SYS_prctl && a == PR_SET_SYSCALL_USER_DISPATCH_) {
        struct dispatch_change change = dispatch_begins((unsigned long)b, (unsigned long)e);
        long result = next(nr, a, b, c, d, change.selector, f);
        dispatch_changed((unsigned long)b, change, result);
        return result;
    }
    return next(nr, a, b, c, d, e, f);
}

EXPORT int prctl(int option, ...)
{
    va_list list;
    unsigned long more[4];
    va_start(list, option);
    /* Which arguments there are depends on the option. As in libc's own prctl(), four are passed
     * on, and those that the caller did not give are whatever lies in their places. */
    for (int i = 0; i < 4; i++) {
        more[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    hook_prctl_ahead(option, more[0], more[1]);
    if (option == PR_SET_SYSCALL_USER_DISPATCH_) {
        struct dispatch_change change = dispatch_begins(more[0], more[3]);
        int result = real_other.prctl(option, more[0], more[1], more[2], change.selector);
        dispatch_changed(more[0], change, result);
        return result;
    }
    return real_other.prctl(option, more[0], more[1], more[2], more[3]);
}
