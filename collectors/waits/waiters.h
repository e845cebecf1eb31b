/* SPDX-License-Identifier: MIT
 *
 * The threads that wait for each lock at this moment, and since when: what the thread that releases
 * a lock has to know. Waiters of one address share an entry that holds how many they are (n) and
 * the sum of the times since which they have waited uncharged (Σt0). At a release, n·now − Σt0 is
 * what all of them have waited since the last one, to the tick and without visiting any of them;
 * then Σt0 = n·now.
 *
 * A lock is known by its address alone and never touched: its memory may be freed the moment it is
 * released. Entries are spread over hashed buckets. A bucket's entries form a list that only grows,
 * of which the first lies in the bucket; an entry that no waiter is left in is used for the next
 * address that has none. A count beside the buckets tells the hot path of an unlock in one load
 * that no thread waits. (Waiters that came out of a condition are not in that count: two loads
 * more.)
 *
 * Lock: the bucket's, held for some ten instructions. It may be orphaned: a thread can be cancelled
 * asynchronously, or a handler of the program jump out, between any two instructions. A thread that
 * has waited for it in vain for half a second gives the bucket up for good, and the waits that hash
 * there are shown as lost from then on.
 *
 * Called by contention.c, contention_condition.c and sleepers.h of this folder. Not in a signal
 * handler that has interrupted one of these functions on its own thread: the caller looks at
 * self.waits_busy first. What happens at once is inline here, the rest is in waiters.c; see
 * contention_count.h for why.
 */
#ifndef COLLECTORS_WAITERS_H
#define COLLECTORS_WAITERS_H

#include "collectors/base/hash.h"
#include "collectors/base/lock_wait.h"
#include "collectors/base/ticks.h"

enum { WAITERS_BITS = 10 };
/* Of each bucket: its waiters, but those that came out of a condition, times WAITER, and: */
enum {
    WAITERS_EVER = 1,       /* there has been one */
    WAITERS_CONDITIONS = 2, /* threads have slept on a condition with one of its mutexes */
    WAITER = 4,
};
extern HIDDEN uint32_t waiters_known[1 << WAITERS_BITS];

static inline uint32_t waiters_bucket(const void *lock)
{
    return hash_bits((uint32_t)(uintptr_t)lock, WAITERS_BITS);
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

/* ---- the table ---- */

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

/* A lock held for less has kept nobody waiting who was still on his way to it. */
enum { WAITERS_WAKE_NS = 50000 };

extern HIDDEN bool waiters_used; /* there has been a waiter */

static inline uint32_t *waiters_known_of(const struct waiters_bucket *b)
{
    return &waiters_known[b - waiters_buckets];
}

COLD void waiters_bucket_lost(const struct waiters_bucket *b);

static inline struct waiters_bucket *waiters_bucket_of(const void *lock)
{
    struct waiters_bucket *b = &waiters_buckets[waiters_bucket(lock)];
    ONE_ADDRESS(b);
    return b;
}

/* False: not at once. */
static inline bool waiters_bucket_try(struct waiters_bucket *b)
{
    return LIKELY(!LOAD(&b->lost) && lock_try(&b->lock, LOCK_WAITERS));
}

static inline struct waiters_bucket *waiters_bucket_lock(const void *lock)
{
    struct waiters_bucket *b = waiters_bucket_of(lock);
    if (UNLIKELY(!lock_take_or_give_up(&b->lock, LOCK_WAITERS, &b->lost))) {
        waiters_bucket_lost(b);
        return NULL;
    }
    return b;
}

/* Under the lock: so many waiters more, or fewer. A waiters_note() at the same instant may go
 * under, and is made up for by the next wait. */
static inline void waiters_known_add(const struct waiters_bucket *b, int waiters)
{
    uint32_t *known = waiters_known_of(b);
    STORE(known, (LOAD(known) + (uint32_t)(waiters * WAITER)) | WAITERS_EVER);
}

/* Under the lock: a mutex of this bucket is going to be released and taken again by waits for
 * conditions. A lock that only these have waited for is still taken as one that nobody waits for.
 */
static inline void waiters_conditions(const struct waiters_bucket *b)
{
    STORE(waiters_known_of(b), LOAD(waiters_known_of(b)) | WAITERS_CONDITIONS);
}

static inline struct waiters_entry *waiters_entry_of(struct waiters_bucket *b, const void *lock)
{
    struct waiters_entry *e = &b->first;
    while (e && e->lock != (uintptr_t)lock) {
        e = e->next;
    }
    return e;
}

/* Nobody is in it: it can be another address's. All sums are 0 then. */
static inline bool waiters_entry_is_free(const struct waiters_entry *e)
{
    return e->n + e->woken + e->leaving == 0;
}

/* Its entry, or a free one made it; NULL = no memory. */
struct waiters_entry *waiters_entry_search(struct waiters_bucket *b, const void *lock);

static inline struct waiters_entry *waiters_entry_for(struct waiters_bucket *b, const void *lock)
{
    struct waiters_entry *e = &b->first;
    return LIKELY(e->lock == (uintptr_t)lock) ? e : waiters_entry_search(b, lock);
}

/* A wait for `lock` begins at `now` (base/ticks.h). False: it could not be entered; at once: not
 * as it mostly is, and nothing has changed. */
bool waiters_enter(const void *lock, uint64_t now);
static inline bool waiters_enter_at_once(const void *lock, uint64_t now)
{
    struct waiters_bucket *b = waiters_bucket_of(lock);
    struct waiters_entry *e = &b->first;
    if (UNLIKELY(LOAD(&e->lock) != (uintptr_t)lock) || !waiters_bucket_try(b)) {
        return false;
    }
    bool ours = e->lock == (uintptr_t)lock;
    if (LIKELY(ours)) {
        e->n++;
        e->since += now;
        waiters_known_add(b, 1);
    }
    lock_drop(&b->lock);
    return LIKELY(ours);
}

/* Under the lock. */
static inline void waiters_entry_leave(struct waiters_bucket *b, struct waiters_entry *e,
                                       uint64_t began)
{
    e->n--;
    e->since -= began > e->last ? began : e->last;
    waiters_known_add(b, -1);
    if (e->n == 0) {
        e->since = e->last = 0;
    }
}

/* It is over, or was given up; began is what waiters_enter() was told. At once: see there. */
void waiters_leave(const void *lock, uint64_t began);
static inline bool waiters_leave_at_once(const void *lock, uint64_t began)
{
    struct waiters_bucket *b = waiters_bucket_of(lock);
    struct waiters_entry *e = &b->first;
    if (!waiters_bucket_try(b)) {
        return false;
    }
    bool ours = e->lock == (uintptr_t)lock && e->n > 0;
    if (LIKELY(ours)) {
        waiters_entry_leave(b, e, began);
    }
    lock_drop(&b->lock);
    return LIKELY(ours);
}

/* Under the lock: threads that were asleep on a condition have been woken, and want `lock` again.
 * When they get that far is not known: of such alone a release is not to claim unless it is blocked
 * on. False: no memory. */
static inline bool waiters_enter_woken(struct waiters_bucket *b, const void *lock, uint32_t n,
                                       uint64_t now)
{
    struct waiters_entry *e = waiters_entry_for(b, lock);
    if (!e) {
        return false;
    }
    e->woken_since += n * now;
    STORE(&e->woken, e->woken + n);
    return true;
}

/* Under the lock: one of them has it now, or gives up: any, for what all of them together have
 * waited comes out the same. */
static inline void waiters_leave_woken(struct waiters_bucket *b, const void *lock)
{
    struct waiters_entry *e = waiters_entry_of(b, lock);
    if (e && e->woken > 0) {
        e->woken_since -= LIKELY(e->woken == 1) ? e->woken_since : e->woken_since / e->woken;
        STORE(&e->woken, e->woken - 1);
    }
}

/* What those that came out of a condition have waited for a holder since `took`. */
static inline uint64_t waiters_woken_waited(const struct waiters_entry *e, uint64_t took,
                                            uint64_t now)
{
    if (took != 0 && ticks_known_ns(now - took) < WAITERS_WAKE_NS) {
        return 0;
    }
    uint64_t least = e->woken * took;
    return e->woken * now - (e->woken_since > least ? e->woken_since : least);
}

/* Under the lock: what they have waited until now, which nobody has been charged with; at `now`
 * each wait begins anew. */
static inline uint64_t waiters_entry_claim(struct waiters_entry *e, uint64_t took, uint64_t now)
{
    uint64_t waited = e->n * now - e->since;
    waited += UNLIKELY(e->woken) ? waiters_woken_waited(e, took, now) : 0;
    if (UNLIKELY((int64_t)waited < 0)) { /* two processors' counters, a hair apart */
        waited = 0;
    }
    waited += e->n > 0;
    e->since = e->n * now;
    e->woken_since = e->woken * now;
    e->last = now;
    return waited;
}

/* The calling thread is about to release `lock`: what is waiting for it has waited so many ticks
 * that nobody has been charged with; 0 = nobody waits. holders (NULL: one) tells how many hold it
 * now; where others do, nothing is claimed, and waiters_released() is to be called afterwards.
 * took: when it took the lock, 0 = unknown; the lock itself should have said that it is waited for.
 * Those that came out of a condition have not waited for it before, nor for a moment. */
uint64_t waiters_claim(const void *lock, uint32_t (*holders)(const void *lock), uint64_t took,
                       bool *others);
/* Of a lock that one thread holds, where ticks_are_counted(). 0 = not at once, or nobody waits. */
static inline uint64_t waiters_claim_at_once(const void *lock)
{
    uint64_t waited = 0;
    struct waiters_bucket *b = waiters_bucket_of(lock);
    struct waiters_entry *e = &b->first;
    if (!waiters_bucket_try(b)) {
        return 0;
    }
    if (LIKELY(e->lock == (uintptr_t)lock && e->woken == 0 && e->n > 0)) {
        waited = waiters_entry_claim(e, 0, arch_counter()); /* after every t0 there is */
    }
    lock_drop(&b->lock);
    return waited;
}

void waiters_released(const void *lock);

/* In a forked child nobody waits. */
void waiters_fork_child(void);

#endif
