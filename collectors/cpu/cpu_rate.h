/* SPDX-License-Identifier: MIT
 *
 * At which rate threads are sampled: for the profile that goes on from the start, and for a session
 * beside it. A change gives every thread another timer. Called by the program's threads, through
 * the API; lock: LOCK_CPU_RATE, with signals blocked.
 */
#ifndef COLLECTORS_CPU_RATE_H
#define COLLECTORS_CPU_RATE_H

#include "collectors/base/abi.h"

/* Samples per second of CPU time at the start, 0 = off; kept = false: the profile stays off.
 * Constructor only. */
void cpu_rate_start(int64_t rate, bool kept);
/* In a forked child: the rate of the profile; the session is its parent's. */
void cpu_rate_fork_child(void);

/* Sets another rate (samples per second of CPU time, 0 = off) for all threads; returns the previous
 * one. A negative rate only asks, and so does any rate where the profile is not kept. */
int64_t cpu_set_rate(int64_t rate);
/* Nanoseconds of CPU time between samples of the profile; while it is off, what they were last; 0:
 * it was never on. */
int64_t cpu_period(void);

/* Begins a session, at the profile's rate, or at 100 samples a second where the profile is off.
 * False: there is a session already. Its samples: cpu_table_session(). */
MUST_CHECK bool cpu_session_begin(void);
int64_t cpu_session_period(void);
void cpu_session_end(void);

#endif
