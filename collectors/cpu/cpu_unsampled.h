/* SPDX-License-Identifier: MIT
 *
 * The CPU time of the process that no thread's timer covered: the process's clock, less the clocks
 * of the threads that had a timer. Shown as "[lost: not sampled]". SIGNAL_SAFE.
 */
#ifndef COLLECTORS_CPU_UNSAMPLED_H
#define COLLECTORS_CPU_UNSAMPLED_H

#include "collectors/base/abi.h"

/* Timers begin now (at the start, in a forked child, or when the rate was 0): CPU time used before
 * now does not count as lost. Returns the process's CPU clock, ns. */
int64_t cpu_unsampled_begin(void);

/* A thread that had a timer has ended; covered: ns of its CPU clock since it had the timer. */
SIGNAL_SAFE void cpu_unsampled_ended(int64_t covered);

/* Reads the clocks of all threads that have a timer and enters what they do not cover into the
 * table. at_end: also credits what the living threads owe (cpu_credit_debt()). */
SIGNAL_SAFE void cpu_unsampled_survey(bool at_end);

#endif
