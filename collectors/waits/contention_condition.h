/* SPDX-License-Identifier: MIT
 *
 * The part of contention.h that is about conditions: a wait that releases a mutex and takes it
 * again, and the signal that ends it.
 *
 * Where a thread is asleep is noted in its own block (self.asleep), so that a thread which was
 * cancelled or jumped out of the wait is taken out at its next wait, its next release of a lock
 * that others wait for, or its end.
 */
#ifndef COLLECTORS_CONTENTION_CONDITION_H
#define COLLECTORS_CONTENTION_CONDITION_H

#include "collectors/waits/contention_count.h"

/* As contention_wait_begins() and _ends(), for a condition. lock: the mutex that the wait releases
 * and takes again. begun: how many waits for cond had begun before, by the condition's own count.
 * by_time: the wait ended because its time was up. */
void contention_condition_begins(struct contention_wait *w, const void *cond, const void *lock,
                                 uint64_t begun);
void contention_condition_ends(struct contention_wait *w, bool waited, bool by_time);
/* The calling thread is about to wake waiters of a condition; see sleepers_wake(). To be called
 * where sleepers_maybe(). */
void contention_wakes(const void *cond, uint32_t inside, uint64_t begun, uint32_t most);

/* The calling thread is still registered as asleep on a condition, but is not: it was cancelled, or
 * jumped out; or this is a handler of the program, and the wait that it interrupts is charged to no
 * holder. The second may be called only between contention_busy() and _idle(). */
COLD void contention_condition_left(void);
COLD void contention_wake_up(void);

#endif
