/* SPDX-License-Identifier: MIT
 *
 * See cpu_itimer.h.
 */
#include "collectors/cpu/cpu_itimer.h"

#include "collectors/base/sys.h"

#include <sys/time.h>

enum { OFF, ON, GIVEN_UP };
static uint32_t state;
static int64_t length; /* of a period, ns */

static void set(int64_t ns)
{
    struct timeval every = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000};
    struct itimerval when = {every, every};
    sys_call3(SYS_setitimer, ITIMER_PROF, &when, NULL);
}

bool cpu_itimer_start(int64_t period)
{
    struct itimerval theirs = {{0, 0}, {0, 0}};
    uint32_t seen = OFF;
    sys_call2(SYS_getitimer, ITIMER_PROF, &theirs);
    if (LOAD(&state) == OFF && (theirs.it_value.tv_sec != 0 || theirs.it_value.tv_usec != 0)) {
        return false;
    }
    if (CAS(&state, &seen, ON)) {
        length = period;
        set(period);
    }
    return LOAD(&state) == ON;
}

bool cpu_itimer_is_on(void)
{
    return LOAD(&state) == ON;
}

void cpu_itimer_change(int64_t period)
{
    if (cpu_itimer_is_on()) {
        length = period;
        set(period);
    }
}

void cpu_itimer_pause(void)
{
    if (cpu_itimer_is_on()) {
        set(0);
    }
}

void cpu_itimer_resume(void)
{
    if (cpu_itimer_is_on()) {
        set(length);
    }
}

void cpu_itimer_give_up(void)
{
    cpu_itimer_pause();
    STORE(&state, GIVEN_UP);
}

void cpu_itimer_fork_child(void)
{
    if (cpu_itimer_is_on()) {
        STORE(&state, OFF);
    }
}
