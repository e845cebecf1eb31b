/* SPDX-License-Identifier: MIT
 *
 * See waiters.h: what happens rarely.
 */
#include "collectors/waits/waiters.h"

#include "collectors/base/arena.h"

struct waiters_bucket waiters_buckets[1 << WAITERS_BITS];
uint32_t waiters_known[1 << WAITERS_BITS] __attribute__((aligned(CACHE_LINE)));
READ_OFTEN bool waiters_used;

void waiters_bucket_lost(const struct waiters_bucket *b)
{
    STORE(waiters_known_of(b), WAITERS_EVER);
}

struct waiters_entry *waiters_entry_search(struct waiters_bucket *b, const void *lock)
{
    struct waiters_entry *e = waiters_entry_of(b, lock);
    if (e) {
        return e;
    }
    struct waiters_entry *first = &b->first;
    e = waiters_entry_is_free(first) ? first : first->next;
    while (e && !waiters_entry_is_free(e)) {
        e = e->next;
    }
    if (!e) {
        e = arena_alloc(sizeof *e);
        if (!e) {
            return NULL;
        }
        e->next = first->next;
        STORE(&first->next, e);
    }
    STORE(&e->lock, (uintptr_t)lock);
    e->last = 0;
    return e;
}

bool waiters_enter(const void *lock, uint64_t now)
{
    STORE(&waiters_used, true); /* before the bucket is locked: the child of a fork looks for
                                   buckets left locked only if set */
    struct waiters_bucket *b = waiters_bucket_lock(lock);
    if (!b) {
        return false;
    }
    struct waiters_entry *e = waiters_entry_for(b, lock);
    if (e) {
        e->n++;
        e->since += now;
        waiters_known_add(b, 1);
    }
    lock_drop(&b->lock);
    return e != NULL;
}

void waiters_leave(const void *lock, uint64_t began)
{
    struct waiters_bucket *b = waiters_bucket_lock(lock);
    if (!b) {
        return;
    }
    struct waiters_entry *e = waiters_entry_of(b, lock);
    if (e && e->n > 0) { /* else: the wait began in the parent, before a fork */
        waiters_entry_leave(b, e, began);
    }
    lock_drop(&b->lock);
}

uint64_t waiters_claim(const void *lock, uint32_t (*holders)(const void *lock), uint64_t took,
                       bool *others)
{
    uint64_t waited = 0;
    struct waiters_bucket *b = waiters_bucket_lock(lock);
    *others = false;
    if (!b) {
        return 0;
    }
    struct waiters_entry *e = waiters_entry_of(b, lock);
    if (e && e->n + e->woken > 0) {
        /* Of readers that leave at the same moment the last one claims. Should one take itself for
         * the last too early, the true last one claims the rest. */
        if (holders && holders(lock) > e->leaving + 1) {
            e->leaving++;
            *others = true;
        } else {
            waited = waiters_entry_claim(e, took, ticks_now()); /* after every t0 in it */
        }
    }
    lock_drop(&b->lock);
    return waited;
}

void waiters_released(const void *lock)
{
    struct waiters_bucket *b = waiters_bucket_lock(lock);
    if (!b) {
        return;
    }
    struct waiters_entry *e = waiters_entry_of(b, lock);
    if (e && e->leaving > 0) {
        e->leaving--;
    }
    lock_drop(&b->lock);
}

void waiters_fork_child(void)
{
    if (!waiters_used) {
        return;
    }
    waiters_used = false;
    for (int i = 0; i < 1 << WAITERS_BITS; i++) {
        struct waiters_bucket *b = &waiters_buckets[i];
        if (b->lock.taken || b->lost || waiters_known[i] || b->first.lock) {
            *b = (struct waiters_bucket){0}; /* it may have been left half changed */
            waiters_known[i] = 0;
        }
    }
}
