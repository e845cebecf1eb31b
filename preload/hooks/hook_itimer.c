/* SPDX-License-Identifier: MIT
 *
 * A process has one ITIMER_PROF. Where threads cannot have timers of their own, the library uses it
 * (collectors/cpu/cpu_itimer.h). Until the program sets it, the program reads it as not set; when
 * the program sets it, the library gives it up. Any thread.
 */
#include "collectors/cpu/cpu_itimer.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include "collectors/base/sys.h"

#include <string.h>
#include <sys/time.h>

static bool is_ours(int which)
{
    return which == ITIMER_PROF && cpu_itimer_is_on() && sys_getpid() == control_pid();
}

EXPORT int setitimer(LIBC_WHICH_TIMER which, const struct itimerval *value, struct itimerval *old)
{
    if (!is_ours((int)which)) {
        return real_other.setitimer(which, value, old);
    }
    bool sets = value && (value->it_value.tv_sec != 0 || value->it_value.tv_usec != 0);
    if (sets) {
        cpu_itimer_give_up();
        return real_other.setitimer(which, value, old);
    }
    if (old) {
        memset(old, 0, sizeof *old);
    }
    return 0;
}

EXPORT int getitimer(LIBC_WHICH_TIMER which, struct itimerval *value)
{
    if (!is_ours((int)which)) {
        return real_other.getitimer(which, value);
    }
    memset(value, 0, sizeof *value);
    return 0;
}
