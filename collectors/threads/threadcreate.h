/* SPDX-License-Identifier: MIT
 *
 * The threadcreate profile: for each stack that made threads, how many threads it ever made. Called
 * by preload/hooks/hook_thread.c in the thread that makes another. SIGNAL_SAFE; no locks.
 */
#ifndef COLLECTORS_THREADCREATE_H
#define COLLECTORS_THREADCREATE_H

#include "collectors/collector.h"
#include "collectors/snapshot.h"

/* Keeps threadcreate. Where another profile has NEEDS_CREATORS, threadcreate_stack() works even if
 * threadcreate itself is off. */
enum { THREADCREATE_PART = 1 };
extern const struct collector threadcreate_collector;

/* The stack that called the hook which is about to make a thread. NULL: no profile needs it, or
 * there is no memory. */
SIGNAL_SAFE const struct stack *threadcreate_stack(void);
/* The thread has been made; stack: what threadcreate_stack() said before. */
SIGNAL_SAFE void threadcreate_made(const struct stack *stack);

/* Threads made in this process since its start, or since the fork that made it. */
SIGNAL_SAFE long threadcreate_count(void);

/* Samples into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t threadcreate_snapshot(struct snapshot_sample **out, size_t *bytes);

#endif
