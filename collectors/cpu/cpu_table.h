/* SPDX-License-Identifier: MIT
 *
 * What the cpu profile has counted: a bucket for each stack, label set, thread (if they are told
 * apart) and period of sampling
 * (which the program may change). Beside the profile that goes on from the start there can be one
 * session, StartCPUProfile's, in the same buckets. Called in signal handlers; SIGNAL_SAFE but for
 * the start and the snapshots. No locks.
 */
#ifndef COLLECTORS_CPU_TABLE_H
#define COLLECTORS_CPU_TABLE_H

#include "collectors/snapshot.h"

/* Constructor only. */
void cpu_table_start(void);

/* Is the profile that goes on from the start being sampled? Else what is credited counts for the
 * session alone. */
void cpu_table_profile_is(bool on);

/* Counts `periods` periods of `period` ns each for the calling thread. stack: NULL where there was
 * no memory for it. */
SIGNAL_SAFE void cpu_table_credit(const struct stack *stack, const struct labels *labels,
                                  int64_t period, int64_t periods);

/* The CPU time that no timer covered, in all. */
void cpu_table_unsampled(int64_t period, int64_t periods);

/* The CPU time of the process before it had a timer, in all. */
void cpu_table_started(int64_t period, int64_t periods);

/* A session begins: it counts what is credited from now on. */
void cpu_table_session_begin(void);

/* Samples into *out (sys_map'ed, *bytes long); how many. */
size_t cpu_table_snapshot(struct snapshot_sample **out, size_t *bytes);
size_t cpu_table_session(struct snapshot_sample **out, size_t *bytes);

#endif
