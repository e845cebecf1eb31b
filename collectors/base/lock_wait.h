/* SPDX-License-Identifier: MIT
 *
 * How a thread waits for one of the locks of lock.h: it spins, yields the processor now and then,
 * and sleeps for 50 µs at a time in the end, so that a holder of lower priority gets to run. Waits
 * are counted: they show as "[lost: profiler lock]". SIGNAL_SAFE: sched_yield and nanosleep are its
 * system calls, and none is made where the lock is free.
 */
#ifndef BASE_LOCK_WAIT_H
#define BASE_LOCK_WAIT_H

#include "collectors/base/lock.h"

/* How often, and for how many ns, threads have waited for these locks so far. */
struct lock_waits {
    uint64_t count, ns;
};
struct lock_waits lock_waits(void);

/* For lock_try_for() and lock_take_or_give_up() alone, which also tell the check. */
SIGNAL_SAFE bool lock_spin(struct lock *l, int spins);
SIGNAL_SAFE COLD bool lock_spin_or_give_up(struct lock *l, uint32_t *lost);

/* Tries for about `spins` pauses of the processor. */
SIGNAL_SAFE static inline bool lock_try_for(struct lock *l, enum lock_rank rank, int spins)
{
    return lock_spin(l, spins) && lock_check_taken(l, rank);
}

static inline void lock_take(struct lock *l, enum lock_rank rank)
{
    lock_check_wait(rank);
    while (!lock_spin(l, 1 << 20)) {
    }
    lock_check_taken(l, rank);
}

/* Takes a lock that may be orphaned: its holder cancelled, or jumped out of by a handler. A thread
 * that has waited in vain gives up for good what the lock guards, and says so in *lost: after 4,096
 * yielding spins and some half a second of naps, for a holder whose container has used up its share
 * of the processors is away for a tenth of a second. */
static inline bool lock_take_or_give_up(struct lock *l, enum lock_rank rank, uint32_t *lost)
{
    lock_check_wait(rank);
    return LIKELY(!LOAD(lost) && lock_try(l, rank)) ||
           (lock_spin_or_give_up(l, lost) && lock_check_taken(l, rank));
}

#endif
