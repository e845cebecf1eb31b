/* SPDX-License-Identifier: MIT
 *
 * At which rate threads are sampled, and for whom: for the profile that goes on from the start, and
 * for a session beside it. A change gives every thread another timer. Called by the program's
 * threads; one lock, taken with signals blocked.
 */
#ifndef COLLECTORS_CPU_RATE_H
#define COLLECTORS_CPU_RATE_H

#include "collectors/base/abi.h"

/* Samples per second of CPU time at the start, 0 = off; kept = false: the profile stays off.
 * Constructor only. */
void cpu_rate_start(int64_t rate, bool kept);
/* In a forked child: the rate of the profile; the session is its parent's. */
void cpu_rate_fork_child(void);

/* Another rate (0 = off) for all threads; the previous one, which a negative rate only asks for.
 * Where the profile is not kept, any rate only asks. */
int64_t cpu_set_rate(int64_t rate);
/* Nanoseconds of CPU time between samples, or when there last were any; 0 when there never were. */
int64_t cpu_period(void);

/* A session beside the profile that goes on from the start, at its rate, or at 100 a second where
 * that is off. False: there is one. Its samples are in cpu_table.h. */
MUST_CHECK bool cpu_session_begin(void);
int64_t cpu_session_period(void);
void cpu_session_end(void);

#endif
