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
 * instructions, and a count that tells the hot path of an unlock in one load that nobody waits. (Of
 * a mutex with conditions, those that come out of them are not in the count: two loads more.)
 *
 * Called by collectors/contention*.c. Not for signal handlers: the caller sees to it that its own
 * thread is not in here already.
 */
#ifndef COLLECTORS_WAITERS_H
#define COLLECTORS_WAITERS_H

#include "collectors/base/lock.h"

enum { WAITERS_BITS = 10 };
/* Of each bucket: its waiters, but those that came out of a condition, times WAITER, and: */
enum {
    WAITERS_EVER = 1,       /* there has been one */
    WAITERS_CONDITIONS = 2, /* threads have slept on a condition with one of its mutexes */
    WAITER = 4,
};
extern HIDDEN uint32_t waiters_known[1 << WAITERS_BITS];

/* Fibonacci hashing, as in live.h. */
static inline uint32_t waiters_bucket(const void *lock)
{
    return (uint32_t)(uintptr_t)lock * 0x9e3779b1U >> (32 - WAITERS_BITS);
}

static inline uint32_t waiters_known_for(const void *lock)
{
    return LOAD(&waiters_known[waiters_bucket(lock)]);
}

/* False: nobody is known to wait for this lock, but who came out of a condition. */
static inline bool waiters_maybe(const void *lock)
{
    return waiters_known_for(lock) >= WAITER;
}

/* True: nobody is known ever to have waited for this lock, but who came out of a condition. */
static inline bool waiters_never(const void *lock)
{
    return (waiters_known_for(lock) & ~(uint32_t)WAITERS_CONDITIONS) == 0;
}

/* Somebody is about to wait for this lock. */
static inline void waiters_note(const void *lock)
{
    if (waiters_never(lock)) {
        __atomic_fetch_or(&waiters_known[waiters_bucket(lock)], WAITERS_EVER, __ATOMIC_RELAXED);
    }
}

/* Private to waiters_table.h but for what waiters_woken() looks at. */
struct waiters_entry {
    uintptr_t lock;       /* that used it last; 0 = none */
    uint64_t since;       /* Σt0 */
    uint64_t last;        /* ticks of the last claim, 0 = none: where each of those waits begins */
    uint64_t woken_since; /* Σt0 of those that were asleep on a condition */
    uint32_t woken;       /* so many */
    uint32_t n;           /* and so many others */
    uint32_t leaving;     /* readers about to release it, who may still be counted as holding it */
    struct waiters_entry *next;
};

extern HIDDEN struct waiters_bucket {
    struct lock lock;
    uint32_t lost; /* given up */
    struct waiters_entry first;
} __attribute__((aligned(CACHE_LINE))) waiters_buckets[1 << WAITERS_BITS];
_Static_assert(sizeof(struct waiters_bucket) == CACHE_LINE,
               "who waits for one lock is on one line");

/* False: nobody who came out of a condition is known to be on the way to this lock. */
static inline bool waiters_maybe_woken(const void *lock)
{
    const struct waiters_entry *e = &waiters_buckets[waiters_bucket(lock)].first;
    return waiters_known_for(lock) >= WAITERS_CONDITIONS &&
           (LOAD(&e->woken) != 0 || LOAD(&e->next));
}

/* In a forked child nobody waits. */
void waiters_fork_child(void);

#endif
