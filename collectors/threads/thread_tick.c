/* SPDX-License-Identifier: MIT
 *
 * See thread_tick.h.
 */
#include "collectors/threads/thread_tick.h"

#include "collectors/base/sys.h"

#include <signal.h>

int thread_tick_arm(int tid, int signal, const void *cookie)
{
    /* After one nanosecond, from the value that the clock has now. An absolute time would not do:
     * where that has passed already, the kernel sends the signal at once, to a sleeper too. */
    static const struct itimerspec soon = {{0, 0}, {0, 1}};
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event.sigev_value.sival_ptr = (void *)(uintptr_t)cookie;
    event._sigev_un._tid = tid;
    int timer = -1;
    if (sys_call3(SYS_timer_create, sys_thread_cpu_clock(tid), &event, &timer) != 0) {
        return -1;
    }
    if (sys_call4(SYS_timer_settime, timer, 0, &soon, NULL) != 0) {
        thread_tick_drop(timer);
        return -1;
    }
    return timer;
}

void thread_tick_drop(int timer)
{
    if (timer != -1) {
        sys_call1(SYS_timer_delete, timer);
    }
}

bool thread_tick_is(const void *siginfo, const void *cookie)
{
    const siginfo_t *info = siginfo;
    return info->si_code == SI_TIMER && info->si_value.sival_ptr == cookie;
}

int thread_tick_timer(const void *siginfo)
{
    const siginfo_t *info = siginfo;
    return info->si_timerid;
}
