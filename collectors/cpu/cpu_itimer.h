/* SPDX-License-Identifier: MIT
 *
 * The fallback where the kernel refuses timers on threads' clocks (RLIMIT_SIGPENDING): one interval
 * timer on the process's clock, ITIMER_PROF, whose signal comes to a thread that is running and
 * makes it look at its own clock. Called by cpu.c, and by preload/hooks/hook_itimer.c, for the
 * program has but one such timer and may want it.
 */
#ifndef COLLECTORS_CPU_ITIMER_H
#define COLLECTORS_CPU_ITIMER_H

#include "collectors/base/abi.h"

/* Ticks each period, ns, of the process's CPU time, unless it does already. False: the program has
 * that timer. SIGNAL_SAFE. */
SIGNAL_SAFE bool cpu_itimer_start(int64_t period);
SIGNAL_SAFE bool cpu_itimer_is_on(void);

/* Another period; 0 = none for now. */
void cpu_itimer_change(int64_t period);
/* Around an exec, over which the kernel would keep it. */
void cpu_itimer_pause(void);
void cpu_itimer_resume(void);
/* The program wants it for itself: off for good. */
void cpu_itimer_give_up(void);
/* In a forked child, which has none. */
void cpu_itimer_fork_child(void);

#endif
