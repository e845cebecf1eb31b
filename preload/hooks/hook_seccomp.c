/* SPDX-License-Identifier: MIT
 *
 * The program is about to install a seccomp filter on its system calls. If the filter would kill
 * the program for a system call of the library, or keep the library from writing profiles, the
 * library makes its last dump and stops: no timer, no sample, no system call. Otherwise profiling
 * goes on. The program may also forbid itself to read the time stamp counter (PR_SET_TSC): then the
 * library reads the clock instead (ticks.h). Called by hook_privileges.c.
 *
 * Any thread, and forked and vfork children.
 */
#include "collectors/base/ticks.h"
#include "preload/config.h"
#include "preload/hooks/hooks.h"
#include "preload/init.h"
#include "preload/marker.h"
#include "preload/output/control.h"
#include "preload/output/seccomp.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>

static void hook_seccomp_ahead(unsigned long mode, const void *filter)
{
    seccomp_is_seen();
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

void hook_seccomp_prctl(int option, unsigned long a, unsigned long b)
{
    if (option == PR_SET_SECCOMP) {
        hook_seccomp_ahead(a, (const void *)b); /* NOLINT: the kernel's integers */
    } else if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV) {
        ticks_forbid_counter();
    } else if (option == PR_SET_CHILD_SUBREAPER && a != 0 && control_is_here()) {
        marker_is_subreaper(); /* from here on it would adopt what the library left behind */
    }
}

void hook_seccomp_call(unsigned long operation, unsigned long flags, const void *filter)
{
    if (operation == SECCOMP_SET_MODE_STRICT && flags == 0 && !filter) {
        hook_seccomp_ahead(SECCOMP_MODE_STRICT, NULL);
    } else if (operation == SECCOMP_SET_MODE_FILTER) {
        hook_seccomp_ahead(SECCOMP_MODE_FILTER, filter);
    }
}
