/* SPDX-License-Identifier: MIT
 *
 * Who waits for which lock at this moment, and since when: what the one that releases it has to
 * know. Waiters of one address share an entry that holds how many they are (n) and the sum of the
 * times since which they have waited uncharged (Σt0). At a release, n·now − Σt0 is what all of
 * them have waited since the last one, to the tick and without visiting any of them; then
 * Σt0 = n·now.
 *
 * A lock is known by its address alone and never touched: it may be gone the moment it is released.
 * Entries are spread over hashed buckets, each with a spin lock that is held for some ten
 * instructions, and a count that tells the hot path of an unlock in one load that nobody waits.
 *
 * Called by collectors/contention.c. Not for signal handlers: the caller sees to it that its own
 * thread is not in here already.
 */
#ifndef COLLECTORS_WAITERS_H
#define COLLECTORS_WAITERS_H

#include "collectors/base/abi.h"

enum { WAITERS_BITS = 10, WAITER = 2 };
struct waiters_known {
    uint32_t count; /* waiters × WAITER, plus 1 if one has ever waited who did not come out of a
                       condition */
    uint32_t woken; /* and those of them that came out of a condition */
};
extern HIDDEN struct waiters_known waiters_known[1 << WAITERS_BITS]; /* of each bucket */

/* Fibonacci hashing, as in live.h. */
static inline uint32_t waiters_bucket(const void *lock)
{
    return (uint32_t)(uintptr_t)lock * 0x9e3779b1U >> (32 - WAITERS_BITS);
}

/* False: nobody is known to wait for this lock. */
static inline bool waiters_maybe(const void *lock)
{
    return LOAD(&waiters_known[waiters_bucket(lock)].count) >= WAITER;
}

/* True: all that waiters_maybe() is about came out of a condition, and may still be on their way.
 */
static inline bool waiters_woken_only(const void *lock)
{
    const struct waiters_known *known = &waiters_known[waiters_bucket(lock)];
    return LOAD(&known->count) / WAITER == LOAD(&known->woken);
}

/* At most so many of this lock's waiters came out of a condition. */
static inline uint32_t waiters_woken(const void *lock)
{
    return LOAD(&waiters_known[waiters_bucket(lock)].woken);
}

/* True: nobody is known ever to have waited for this lock, but who came out of a condition. */
static inline bool waiters_never(const void *lock)
{
    return LOAD(&waiters_known[waiters_bucket(lock)].count) == 0;
}

/* Somebody is about to wait for this lock. */
static inline void waiters_note(const void *lock)
{
    if (waiters_never(lock)) {
        __atomic_fetch_or(&waiters_known[waiters_bucket(lock)].count, 1, __ATOMIC_RELAXED);
    }
}

/* In a forked child nobody waits. */
void waiters_fork_child(void);

#endif
