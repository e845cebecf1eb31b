/* SPDX-License-Identifier: MIT
 *
 * The program is about to put itself behind a filter on system calls. If that would kill it for
 * what the library does, or keep the library from writing, the library makes its last dump and is
 * silent from then on: no timer, no sample, no call to the kernel. If not, all goes on. It may
 * forbid itself the time stamp counter too, which then the library does not read any more.
 */
#include "collectors/base/ticks.h"
#include "preload/config.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/init.h"
#include "preload/output/control.h"
#include "preload/output/seccomp.h"

#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void hook_seccomp_ahead(unsigned long mode, const void *filter)
{
    /* Not in a vfork child, which is about to start another program: that one asks at its start. */
    if (!control_is_profiled() || !control_is_here() || (mode == SECCOMP_MODE_FILTER && !filter)) {
        return;
    }
    if (mode == SECCOMP_MODE_STRICT || config.in_place || !seccomp_lets_us(filter)) {
        init_stand_down("the program forbids itself system calls that this library needs: the last "
                        "dump is made");
    }
}

/* What a program may forbid itself by prctl. */
static void hook_prctl_ahead(int option, unsigned long a, unsigned long b)
{
    if (option == PR_SET_SECCOMP) {
        hook_seccomp_ahead(a, (const void *)b); /* NOLINT: the kernel's integers */
    } else if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV) {
        ticks_forbid_counter();
    }
}

/* The same through libc's syscall(), as libseccomp does it. */
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
    return next(nr, a, b, c, d, e, f);
}

EXPORT int prctl(int option, ...)
{
    va_list list;
    unsigned long more[4];
    va_start(list, option);
    for (int i = 0; i < 4; i++) { /* there or not: as libc's own, it passes on what lies there */
        more[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    hook_prctl_ahead(option, more[0], more[1]);
    return real_other.prctl(option, more[0], more[1], more[2], more[3]);
}
