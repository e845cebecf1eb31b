/* SPDX-License-Identifier: MIT
 *
 * The few locks of the library, all of them on slow paths, with one order between them. A lock
 * here spins: its critical sections are tens of nanoseconds long and are entered with the
 * program's signals either blocked or unable to want the same lock.
 *
 * No two are ever held together, but sleepers and, within it, waiters:
 *   rules      the miss path of the unwinder (signals blocked, bounded wait)
 *   live       256 shards of the table of sampled live memory
 *   remembering  what a dlclose has unloaded (never in a handler)
 *   writers    of a signal's disposition (signals blocked)
 *   waiters    1,024 buckets of who waits for which lock (bounded wait: they can be orphaned)
 *   sleepers   1,024 lists of the conditions that threads sleep on (likewise)
 *   measuring  of the tick's length (nobody waits for it)
 *
 * None is held over a fork; the child mends or makes anew what they guard.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "collectors/base/sys.h"

struct lock {
    uint32_t taken;
};

static inline bool lock_try(struct lock *l)
{
    return !LOAD(&l->taken) && !__atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE);
}

/* How often, and for how long, threads have waited for these locks so far. */
struct lock_waits {
    uint64_t count, ns;
};
struct lock_waits lock_waits(void);

/* Tries for about spins pauses, yielding the processor to the holder now and then. */
SIGNAL_SAFE bool lock_try_for(struct lock *l, int spins);

static inline void lock_take(struct lock *l)
{
    while (!lock_try_for(l, 1 << 20)) {
    }
}

/* Takes a lock that may be orphaned: its holder cancelled, or jumped out of by a handler. Whoever
 * has waited in vain gives up for good what it guards, and says so in *lost: 4,096 yielding spins
 * and some half a second of naps, for a holder whose container has used up its share of the
 * processors is away for a tenth of a second. */
SIGNAL_SAFE COLD bool lock_wait_or_give_up(struct lock *l, uint32_t *lost);
static inline bool lock_take_or_give_up(struct lock *l, uint32_t *lost)
{
    return LIKELY(!LOAD(lost) && lock_try(l)) || lock_wait_or_give_up(l, lost);
}

static inline void lock_drop(struct lock *l)
{
    STORE_RELEASE(&l->taken, 0);
}

#endif
