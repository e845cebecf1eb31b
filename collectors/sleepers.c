/* SPDX-License-Identifier: MIT
 *
 * See sleepers.h. Laid out as waiters.c is, and given up in the same way when a bucket's lock has
 * been orphaned. Lock: the bucket's, and within it, in sleepers_wake() alone, one of waiters.c's:
 * a sleeper that comes back must find itself there.
 */
#include "collectors/sleepers.h"

#include "collectors/base/arena.h"
#include "collectors/base/lock.h"
#include "collectors/waiters.h"

struct entry {
    const void *cond; /* NULL = free */
    const void *mutex;
    uint32_t asleep;
    uint32_t woken; /* and not yet back */
    uint64_t last;  /* to enter: how many waits had begun before its own */
    struct entry *next;
};

static struct sleeper_bucket {
    struct lock lock;
    uint32_t lost; /* given up */
    struct entry *first;
} buckets[1 << SLEEPERS_BITS];

uint32_t sleepers_count[1 << SLEEPERS_BITS] __attribute__((aligned(CACHE_LINE)));
static bool used;

static struct sleeper_bucket *bucket_lock(const void *cond)
{
    struct sleeper_bucket *b = &buckets[sleepers_bucket(cond)];
    if (UNLIKELY(!lock_take_or_give_up(&b->lock, &b->lost))) {
        STORE(&sleepers_count[b - buckets], 0);
        return NULL;
    }
    return b;
}

/* Under the lock. */
static void count_add(const struct sleeper_bucket *b, int sleepers)
{
    uint32_t *count = &sleepers_count[b - buckets];
    STORE(count, LOAD(count) + (uint32_t)sleepers);
}

static struct entry *entry_of(const struct sleeper_bucket *b, const void *cond, const void *mutex)
{
    struct entry *e = b->first;
    while (e && (e->cond != cond || e->mutex != mutex)) {
        e = e->next;
    }
    return e;
}

static struct entry *entry_new(struct sleeper_bucket *b, const void *cond, const void *mutex)
{
    struct entry *e = b->first;
    while (e && e->cond) {
        e = e->next;
    }
    if (!e) {
        e = arena_alloc(sizeof *e);
        if (!e) {
            return NULL;
        }
        e->next = b->first;
        b->first = e;
    }
    e->cond = cond;
    e->mutex = mutex;
    return e;
}

bool sleepers_enter(const void *cond, const void *mutex, uint64_t begun)
{
    if (UNLIKELY(!LOAD(&used))) {
        STORE(&used, true); /* before the lock: a fork may meet it held */
    }
    struct sleeper_bucket *b = bucket_lock(cond);
    if (!b) {
        return false;
    }
    struct entry *e = entry_of(b, cond, mutex);
    e = e ? e : entry_new(b, cond, mutex);
    if (e) {
        e->asleep++;
        e->last = begun;
        count_add(b, 1);
    }
    lock_drop(&b->lock);
    return e != NULL;
}

void sleepers_leave(const void *cond, const void *mutex, bool by_time)
{
    bool woken = false;
    struct sleeper_bucket *b = bucket_lock(cond);
    if (!b) {
        waiters_leave_woken(mutex); /* it may be among those */
        return;
    }
    struct entry *e = entry_of(b, cond, mutex);
    if (e) {
        woken = e->woken > 0 && !(by_time && e->asleep > 0);
        if (woken) {
            e->woken--;
        } else if (e->asleep > 0) { /* a spurious wake-up, or by a signal unseen */
            e->asleep--;
            count_add(b, -1);
        }
        if (e->asleep + e->woken == 0) {
            e->cond = NULL;
        }
    }
    lock_drop(&b->lock);
    if (woken) {
        waiters_leave_woken(mutex);
    }
}

void sleepers_wake(const void *cond, const struct sleepers_asked *asked, uint32_t most,
                   uint64_t now)
{
    uint32_t asleep = 0, woken = 0;
    struct entry *found = NULL;
    struct sleeper_bucket *b = bucket_lock(cond);
    if (!b) {
        return;
    }
    for (struct entry *e = b->first; e; e = e->next) {
        if (e->cond == cond) {
            asleep += e->asleep;
            woken += e->woken;
            found = e->asleep ? e : found;
        }
    }
    if (found && asked->inside <= asleep + woken) {
        uint32_t n = found->asleep; /* of one mutex: two are an error of theirs */
        /* Who still holds the mutex is not inside yet, and this signal does not wake it. There can
         * be one such at most, and where the signal comes from the holder, none. */
        n -= found->last == asked->begun;
        n = n < most ? n : most;
        n = n < asked->inside ? n : asked->inside;
        if (n > 0 && waiters_enter_woken(found->mutex, n, now)) {
            found->asleep -= n;
            found->woken += n;
            count_add(b, -(int)n);
        }
    }
    lock_drop(&b->lock);
}

void sleepers_fork_child(void)
{
    if (!used) {
        return;
    }
    used = false;
    for (int i = 0; i < 1 << SLEEPERS_BITS; i++) {
        buckets[i] = (struct sleeper_bucket){0}; /* its entries may be half changed */
        sleepers_count[i] = 0;
    }
}
