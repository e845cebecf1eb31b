/* SPDX-License-Identifier: MIT
 *
 * The fallback where the kernel refuses timers on threads' clocks (RLIMIT_SIGPENDING): one interval
 * timer on the process's clock, ITIMER_PROF, whose signal comes to a thread that is running. The
 * sum is as true as that of the timers; who used how much is so in the long run alone. Called by
 * cpu.c, and by preload/hook_itimer.c, for the program has but one such timer and may want it.
 */
#ifndef COLLECTORS_CPU_ITIMER_H
#define COLLECTORS_CPU_ITIMER_H

#include "collectors/base/abi.h"

/* Begins to tick: each period, ns, from now on the process's clock; the first one within `first`.
 */
void cpu_itimer_start(int64_t period, int64_t first);
SIGNAL_SAFE bool cpu_itimer_is_on(void);
/* Around an exec, over which the kernel would keep it. */
void cpu_itimer_pause(void);
void cpu_itimer_resume(void);
/* The program wants it for itself: off for good. */
void cpu_itimer_give_up(void);
/* Periods that have ended and that nobody has been told of yet. SIGNAL_SAFE. */
SIGNAL_SAFE int64_t cpu_itimer_claim(void);

#endif
