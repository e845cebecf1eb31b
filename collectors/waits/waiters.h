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
/* Of each bucket: its waiters, without those that came out of a condition, times WAITER, plus: */
enum {
    WAITERS_EVER = 1,       /* there has been such a waiter */
    WAITERS_CONDITIONS = 2, /* threads have slept on a condition with a mutex of this bucket */
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

/* False: no thread is known to wait for this lock, except such as came out of a condition. */
static inline bool waiters_maybe(const void *lock)
{
    return waiters_known_for(lock) >= WAITER;
}

/* True: no thread is known to have ever waited for this lock, except as above. */
static inline bool waiters_never(const void *lock)
{
    return (waiters_known_for(lock) & ~(uint32_t)WAITERS_CONDITIONS) == 0;
}

/* The calling thread is about to wait for this lock, without being registered. */
static inline void waiters_note(const void *lock)
{
    if (waiters_never(lock)) {
        __atomic_fetch_or(&waiters_known[waiters_bucket(lock)], WAITERS_EVER, __ATOMIC_RELAXED);
    }
}

/* ---- the table ---- */

struct waiters_entry {
    uintptr_t lock;       /* the address that used the entry last; 0 = none has */
    uint64_t since;       /* Σt0 of the n waiters */
    uint64_t last;        /* ticks of the last claim, from which on they wait uncharged; 0 = none */
    uint64_t woken_since; /* Σt0 of the woken waiters */
    uint32_t woken;       /* waiters that were asleep on a condition and want their mutex back */
    uint32_t n;           /* all other waiters */
    uint32_t leaving;     /* readers about to release it, which it may still count as holders */
    struct waiters_entry *next;
};

extern HIDDEN struct waiters_bucket {
    struct lock lock;
    uint32_t lost; /* given up: its lock was orphaned */
    struct waiters_entry first;
} __attribute__((aligned(CACHE_LINE))) waiters_buckets[1 << WAITERS_BITS];
_Static_assert(sizeof(struct waiters_bucket) == CACHE_LINE,
               "all that a release looks at is on one line");

/* False: no thread that came out of a condition is known to be on its way to this lock. */
static inline bool waiters_maybe_woken(const void *lock)
{
    const struct waiters_entry *e = &waiters_buckets[waiters_bucket(lock)].first;
    return waiters_known_for(lock) >= WAITERS_CONDITIONS &&
           (LOAD(&e->woken) != 0 || LOAD(&e->next));
}

/* Woken condition waiters are charged only if the lock was held for that long or more: sooner, they
 * were still waking. */
enum { WAITERS_WAKE_NS = 50000 };

extern HIDDEN bool waiters_used; /* there has been a waiter; set before a bucket's lock is taken */

static inline uint32_t *waiters_known_of(const struct waiters_bucket *b)
{
    return &waiters_known[b - waiters_buckets];
}

/* The bucket has been given up: no release of its locks is charged any more. Waits for them are
 * still timed, because waiters_never() is false. */
COLD void waiters_bucket_lost(const struct waiters_bucket *b);

static inline struct waiters_bucket *waiters_bucket_of(const void *lock)
{
    struct waiters_bucket *b = &waiters_buckets[waiters_bucket(lock)];
    ONE_ADDRESS(b);
    return b;
}

/* False: the lock is not free now, or given up. */
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

/* Under the lock: so many waiters more, or fewer (negative). The store may overwrite what a
 * waiters_note() sets at the same instant, but sets the same bit. */
static inline void waiters_known_add(const struct waiters_bucket *b, int waiters)
{
    uint32_t *known = waiters_known_of(b);
    STORE(known, (LOAD(known) + (uint32_t)(waiters * WAITER)) | WAITERS_EVER);
}

/* Under the lock: a mutex of this bucket is going to be released and taken again by waits for
 * conditions. If there are no other waits for it, hooks still take it at a look (waiters_never()).
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

/* No waiter is left in it, so that another address can have it. All its sums are 0 then. */
static inline bool waiters_entry_is_free(const struct waiters_entry *e)
{
    return e->n + e->woken + e->leaving == 0;
}

/* Under the lock: the entry of `lock`, or a free one that becomes its; NULL = no memory. */
struct waiters_entry *waiters_entry_search(struct waiters_bucket *b, const void *lock);

static inline struct waiters_entry *waiters_entry_for(struct waiters_bucket *b, const void *lock)
{
    struct waiters_entry *e = &b->first;
    return LIKELY(e->lock == (uintptr_t)lock) ? e : waiters_entry_search(b, lock);
}

/* A wait for `lock` begins at `now`, in ticks. False: it could not be entered (no memory, or the
 * bucket is given up). The function at once also says false where it would have to search or wait;
 * then it has changed nothing. */
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

/* Under the lock: a waiter that began to wait at `began` leaves. A claim since then has moved its
 * t0 to e->last. */
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

/* A wait is over, or was given up; began: the time that waiters_enter() was told. At once: see
 * there.
 */
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

/* Under the lock: n threads that were asleep on a condition have been woken at `now`, and want
 * `lock` again. When each of them begins to wait for it is not known, so where there are no other
 * waiters, a release is to claim only if the lock's own word says that the kernel has a waiter.
 * False: no memory. */
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

/* Under the lock: one of the woken threads has the mutex now, or has given up. It does not matter
 * which: the mean t0 is taken off, and the sum over all of them comes out the same. */
static inline void waiters_leave_woken(struct waiters_bucket *b, const void *lock)
{
    struct waiters_entry *e = waiters_entry_of(b, lock);
    if (e && e->woken > 0) {
        e->woken_since -= LIKELY(e->woken == 1) ? e->woken_since : e->woken_since / e->woken;
        STORE(&e->woken, e->woken - 1);
    }
}

/* Ticks that the woken threads have waited for a holder that took the lock at `took` (0 = unknown):
 * 0 if it held the lock for less than WAITERS_WAKE_NS. */
static inline uint64_t waiters_woken_waited(const struct waiters_entry *e, uint64_t took,
                                            uint64_t now)
{
    if (took != 0 && ticks_known_ns(now - took) < WAITERS_WAKE_NS) {
        return 0;
    }
    uint64_t least = e->woken * took;
    return e->woken * now - (e->woken_since > least ? e->woken_since : least);
}

/* Under the lock: the ticks that the entry's waiters have waited until `now` and that no release
 * was charged with; from `now` on each of them waits anew. took: see above. At least 1 if there are
 * waiters that did not come out of a condition. */
static inline uint64_t waiters_entry_claim(struct waiters_entry *e, uint64_t took, uint64_t now)
{
    uint64_t waited = e->n * now - e->since;
    waited += UNLIKELY(e->woken) ? waiters_woken_waited(e, took, now) : 0;
    if (UNLIKELY((int64_t)waited < 0)) { /* the counters of two processors differ by some ticks */
        waited = 0;
    }
    waited += e->n > 0;
    e->since = e->n * now;
    e->woken_since = e->woken * now;
    e->last = now;
    return waited;
}

/* The calling thread is about to release `lock`: the ticks that threads have waited for the lock
 * and that no release was charged with; 0 = no thread waits. took: when the calling thread took the
 * lock, in ticks; 0 = unknown, and then the lock's own word should have said that it is waited for.
 *
 * holders says how many threads hold the lock now (NULL: one). Where others do too, nothing is
 * claimed, *others is true, and waiters_released() is to be called after the release. */
uint64_t waiters_claim(const void *lock, uint32_t (*holders)(const void *lock), uint64_t took,
                       bool *others);
/* Of a lock that one thread holds, and only where ticks_are_counted(). 0 = not at once (nothing has
 * changed), or no thread waits. */
static inline uint64_t waiters_claim_at_once(const void *lock)
{
    uint64_t waited = 0;
    struct waiters_bucket *b = waiters_bucket_of(lock);
    struct waiters_entry *e = &b->first;
    if (!waiters_bucket_try(b)) {
        return 0;
    }
    if (LIKELY(e->lock == (uintptr_t)lock && e->woken == 0 && e->n > 0)) {
        waited = waiters_entry_claim(e, 0, arch_counter()); /* after every t0 in it */
    }
    lock_drop(&b->lock);
    return waited;
}

/* The calling thread has released `lock`, and waiters_claim() said that others held it too. */
void waiters_released(const void *lock);

/* In a forked child, where no thread waits: empties all buckets. */
void waiters_fork_child(void);

#endif
