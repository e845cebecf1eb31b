/* SPDX-License-Identifier: MIT
 *
 * The threadcreate profile: for each stack that made threads, how many it ever made. Entered by the
 * thread that makes one, in preload/hook_thread.c. SIGNAL_SAFE; no locks.
 */
#ifndef COLLECTORS_THREADCREATE_H
#define COLLECTORS_THREADCREATE_H

#include "collectors/collector.h"
#include "collectors/snapshot.h"

/* Keeps threadcreate. Where another profile has NEEDS_CREATORS, threadcreate_stack() works even if
 * threadcreate itself is off. */
enum { THREADCREATE_PART = 1 };
extern const struct collector threadcreate_collector;

/* The stack of the caller of the hook that is about to make a thread; NULL when nobody asks for it,
 * or there is no memory. */
SIGNAL_SAFE const struct stack *threadcreate_stack(void);
/* The thread has been made. */
SIGNAL_SAFE void threadcreate_made(const struct stack *stack);

/* Threads made in this process since it started (or was forked). */
SIGNAL_SAFE long threadcreate_count(void);

/* Samples into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t threadcreate_snapshot(struct snapshot_sample **out, size_t *bytes);

#endif
