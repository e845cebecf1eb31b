/* SPDX-License-Identifier: MIT
 *
 * The fallback where the kernel refuses timers on threads' clocks (RLIMIT_SIGPENDING): one interval
 * timer on the process's clock, ITIMER_PROF, whose signal the kernel gives to a thread that is
 * running; that thread then looks at its own clock. Called by the files of this folder, and by
 * preload/hooks/hook_itimer.c: a process has one such timer, and the program may want it.
 */
#ifndef COLLECTORS_CPU_ITIMER_H
#define COLLECTORS_CPU_ITIMER_H

#include "collectors/base/abi.h"

/* Starts the timer, to tick each `period` ns of the process's CPU time, unless it runs already.
 * False: the program uses it. SIGNAL_SAFE. */
SIGNAL_SAFE bool cpu_itimer_start(int64_t period);
SIGNAL_SAFE bool cpu_itimer_is_on(void);

/* Another period, ns; 0 = no ticks for now. */
void cpu_itimer_change(int64_t period);
/* Around an exec: the kernel would keep the timer for the new program. */
void cpu_itimer_pause(void);
void cpu_itimer_resume(void);
/* The program sets the timer for itself: ours is off for good. */
void cpu_itimer_give_up(void);
/* In a forked child: the kernel gives it no timer of its parent's. */
void cpu_itimer_fork_child(void);

#endif
