/* SPDX-License-Identifier: MIT
 *
 * See waiters.h and waiters_table.h: what happens rarely.
 */
#include "collectors/waiters_table.h"

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
    e->lock = (uintptr_t)lock;
    e->last = 0;
    return e;
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
            *b = (struct waiters_bucket){0}; /* its entries may be half changed */
            waiters_known[i] = 0;
        }
    }
}
