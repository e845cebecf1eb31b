/* SPDX-License-Identifier: MIT
 *
 * See cpu_itimer.h. As with the timers (cpu.c), the clock is read and signals are not counted.
 */
#include "collectors/cpu_itimer.h"

#include "collectors/base/sys.h"

#include <sys/time.h>

static bool on;
static int64_t length; /* of a period, ns */
static int64_t next;   /* the process's CPU clock at the first expiry that is not yet claimed */

static void set(int64_t ns)
{
    struct timeval every = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000};
    struct itimerval when = {every, every};
    sys_call3(SYS_setitimer, ITIMER_PROF, &when, NULL);
}

void cpu_itimer_start(int64_t period, int64_t first)
{
    length = period;
    STORE(&next, sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID) + first);
    STORE(&on, true);
    set(length);
}

bool cpu_itimer_is_on(void)
{
    return LOAD(&on);
}

void cpu_itimer_pause(void)
{
    if (LOAD(&on)) {
        set(0);
    }
}

void cpu_itimer_resume(void)
{
    if (LOAD(&on)) {
        set(length);
    }
}

void cpu_itimer_give_up(void)
{
    cpu_itimer_pause();
    STORE(&on, false);
}

int64_t cpu_itimer_claim(void)
{
    int64_t clock = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t seen = LOAD(&next);
    while (LOAD(&on) && clock >= seen) {
        int64_t periods = 1 + (clock - seen) / length;
        if (CAS(&next, &seen, seen + periods * length)) {
            return periods;
        }
    }
    return 0;
}
