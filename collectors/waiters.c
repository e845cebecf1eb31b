/* SPDX-License-Identifier: MIT
 *
 * See waiters.h. Entries of a bucket form a list that only grows, of which the first lies in the
 * bucket; one whose waiters have all left is used for the next address. Lock: the bucket's. It may
 * be orphaned: a thread can be cancelled asynchronously, or a handler of the program jump out,
 * between any two instructions. Whoever has waited for it in vain for half a second gives the
 * bucket up for good, and the waits that hash there are shown as lost from then on.
 */
#include "collectors/waiters.h"

#include "collectors/base/arena.h"
#include "collectors/base/lock.h"
#include "collectors/base/ticks.h"

/* A lock held for less has kept nobody waiting who was still on his way to it. */
enum { WAKE_NS = 50000 };

struct entry {
    uintptr_t lock;       /* 0 = free */
    uint64_t since;       /* Σt0 */
    uint64_t last;        /* ticks of the last claim, 0 = none: where each of those waits begins */
    uint64_t woken_since; /* the part of Σt0 of those that were asleep on a condition */
    uint32_t woken;       /* so many */
    uint32_t n;           /* and these are all waiters */
    uint32_t leaving;     /* readers about to release it, who may still be counted as holding it */
    struct entry *next;
};

static struct wait_bucket {
    struct lock lock;
    uint32_t lost; /* given up */
    struct entry first;
} __attribute__((aligned(CACHE_LINE))) buckets[1 << WAITERS_BITS];
_Static_assert(sizeof(struct wait_bucket) == CACHE_LINE, "who waits for one lock is on one line");

struct waiters_known waiters_known[1 << WAITERS_BITS] __attribute__((aligned(CACHE_LINE)));
static READ_OFTEN bool used; /* there has been a waiter */

static inline struct waiters_known *known_of(const struct wait_bucket *b)
{
    return &waiters_known[b - buckets];
}

static COLD void bucket_lost(const struct wait_bucket *b)
{
    STORE(&known_of(b)->count, 1);
    STORE(&known_of(b)->woken, 0);
}

static inline struct wait_bucket *bucket_lock(const void *lock)
{
    struct wait_bucket *b = &buckets[waiters_bucket(lock)];
    if (UNLIKELY(!lock_take_or_give_up(&b->lock, &b->lost))) {
        bucket_lost(b);
        return NULL;
    }
    return b;
}

/* Under the lock. ever: 1 = such waits go before a lock, 0 = they come out of a condition, and a
 * lock that only these have waited for is still taken as one that nobody waits for. A
 * waiters_note() at the same instant may go under, and is made up for by the next wait. */
static inline void count_add(const struct wait_bucket *b, int waiters, uint32_t ever)
{
    uint32_t *count = &known_of(b)->count;
    STORE(count, (LOAD(count) + (uint32_t)waiters) | ever);
}

static struct entry *entry_of(struct wait_bucket *b, const void *lock)
{
    struct entry *e = &b->first;
    while (e && e->lock != (uintptr_t)lock) {
        e = e->next;
    }
    return e;
}

static struct entry *entry_new(struct wait_bucket *b, const void *lock)
{
    struct entry *e = &b->first;
    while (e && e->lock) {
        e = e->next;
    }
    if (!e) {
        e = arena_alloc(sizeof *e);
        if (!e) {
            return NULL;
        }
        e->next = b->first.next;
        b->first.next = e;
    }
    e->lock = (uintptr_t)lock;
    e->since = e->last = e->woken_since = 0;
    e->woken = 0;
    return e;
}

static void entry_drop(struct entry *e)
{
    if (e->n == 0) {
        e->since = e->last = e->woken_since = 0;
        e->lock = e->leaving ? e->lock : 0;
    }
}

static inline __attribute__((always_inline)) bool enter(const void *lock, uint32_t n, bool woken,
                                                        uint64_t now)
{
    if (UNLIKELY(!LOAD(&used))) {
        STORE(&used, true); /* before the lock: a fork may meet it held */
    }
    struct wait_bucket *b = bucket_lock(lock);
    if (!b) {
        return false;
    }
    struct entry *e = entry_of(b, lock);
    e = e ? e : entry_new(b, lock);
    if (e) {
        e->n += n;
        e->since += n * now;
        if (woken) {
            e->woken += n;
            e->woken_since += n * now;
            STORE(&known_of(b)->woken, LOAD(&known_of(b)->woken) + n);
        }
        count_add(b, (int)n * WAITER, !woken);
    }
    lock_drop(&b->lock);
    return e != NULL;
}

bool waiters_enter(const void *lock, uint64_t now)
{
    return enter(lock, 1, false, now);
}

bool waiters_enter_woken(const void *lock, uint32_t n, uint64_t now)
{
    return enter(lock, n, true, now);
}

void waiters_leave(const void *lock, uint64_t began)
{
    struct wait_bucket *b = bucket_lock(lock);
    if (!b) {
        return;
    }
    struct entry *e = entry_of(b, lock);
    if (e && e->n > 0) { /* else: it began before a fork, in the parent */
        e->n--;
        e->since -= began > e->last ? began : e->last;
        count_add(b, -WAITER, 1);
        entry_drop(e);
    }
    lock_drop(&b->lock);
}

/* Any of them: what all of them together have waited comes out the same. */
bool waiters_leave_woken(const void *lock)
{
    struct wait_bucket *b = bucket_lock(lock);
    if (!b) {
        return false;
    }
    struct entry *e = entry_of(b, lock);
    bool found = e && e->woken > 0;
    if (found) {
        uint64_t since = e->woken == 1 ? e->woken_since : e->woken_since / e->woken;
        STORE(&known_of(b)->woken, LOAD(&known_of(b)->woken) - 1);
        e->woken--;
        e->woken_since -= since;
        e->n--;
        e->since -= since;
        count_add(b, -WAITER, 0);
        entry_drop(e);
    }
    lock_drop(&b->lock);
    return found;
}

/* What those that came out of a condition have waited for a holder since `took`. */
static uint64_t woken_waited(const struct entry *e, uint64_t took, uint64_t now)
{
    if (took != 0 && ticks_known_ns(now - took) < WAKE_NS) {
        return 0;
    }
    uint64_t least = e->woken * took;
    return e->woken * now - (e->woken_since > least ? e->woken_since : least);
}

uint64_t waiters_claim(const void *lock, uint32_t (*holders)(const void *lock), uint64_t took,
                       bool *others)
{
    uint64_t waited = 0;
    struct wait_bucket *b = bucket_lock(lock);
    *others = false;
    if (!b) {
        return 0;
    }
    struct entry *e = entry_of(b, lock);
    if (e && e->n > 0) {
        /* Readers that leave at the same moment: the last of them claims. Should one be taken for
         * the last too early, the true last one claims the rest. */
        if (holders && holders(lock) > e->leaving + 1) {
            e->leaving++;
            *others = true;
        } else {
            uint64_t now = ticks_now(); /* after every t0 there is */
            waited = (e->n - e->woken) * now - (e->since - e->woken_since);
            waited += e->woken ? woken_waited(e, took, now) : 0;
            if ((int64_t)waited < 0) { /* two processors' counters, a hair apart */
                waited = 0;
            }
            waited += e->n > e->woken;
            e->since = e->n * now;
            e->woken_since = e->woken * now;
            e->last = now;
        }
    }
    lock_drop(&b->lock);
    return waited;
}

void waiters_released(const void *lock)
{
    struct wait_bucket *b = bucket_lock(lock);
    if (!b) {
        return;
    }
    struct entry *e = entry_of(b, lock);
    if (e && e->leaving > 0) {
        e->leaving--;
        entry_drop(e);
    }
    lock_drop(&b->lock);
}

void waiters_fork_child(void)
{
    if (!used) {
        return;
    }
    used = false;
    for (int i = 0; i < 1 << WAITERS_BITS; i++) {
        struct wait_bucket *b = &buckets[i];
        if (b->lock.taken || b->lost || waiters_known[i].count || b->first.lock) {
            *b = (struct wait_bucket){0}; /* its entries may be half changed */
            waiters_known[i] = (struct waiters_known){0};
        }
    }
}
