/* SPDX-License-Identifier: MIT
 *
 * See sleepers.h and sleepers_table.h: what happens rarely.
 */
#include "collectors/sleepers_table.h"

#include "collectors/base/arena.h"

struct sleepers_bucket sleepers_buckets[1 << SLEEPERS_BITS];
READ_OFTEN bool sleepers_used;

void sleepers_bucket_lost(struct sleepers_bucket *b)
{
    STORE(&b->count, 0);
}

struct sleepers_entry *sleepers_entry_search(struct sleepers_bucket *b, const void *cond,
                                             const void *mutex)
{
    struct sleepers_entry *e = sleepers_entry_of(b, cond, mutex);
    if (!e) {
        e = b->first.cond ? b->first.next : &b->first;
        while (e && e->cond) {
            e = e->next;
        }
    }
    if (!e) {
        e = arena_alloc(sizeof *e);
        if (!e) {
            return NULL;
        }
        e->next = b->first.next;
        b->first.next = e;
    }
    e->cond = cond;
    e->mutex = mutex;
    return e;
}

void sleepers_leave_one(const void *cond, const void *mutex, bool by_time)
{
    struct sleepers_bucket *b = sleepers_bucket_lock(sleepers_bucket(cond));
    if (!b) {
        waiters_leave_woken(mutex); /* it may be among those */
        return;
    }
    struct sleepers_entry *e = sleepers_entry_of(b, cond, mutex);
    bool is_back = !(e && by_time) && waiters_leave_woken(mutex);
    if (e && !is_back) {
        sleepers_entry_add(b, e, (uint32_t)-1);
    }
    lock_drop(&b->lock);
    if (!e && !is_back) {
        sleepers_leave_for_another(mutex);
    }
}

void sleepers_leave_for_another(const void *mutex)
{
    for (int i = 0; i < 1 << SLEEPERS_BITS; i++) {
        struct sleepers_bucket *b = &sleepers_buckets[i];
        if (LOAD(&b->count) == 0 || !sleepers_bucket_lock(b)) {
            continue;
        }
        struct sleepers_entry *e = &b->first;
        while (e && !(e->cond && e->mutex == mutex)) {
            e = e->next;
        }
        if (e) {
            sleepers_entry_add(b, e, (uint32_t)-1);
        }
        lock_drop(&b->lock);
        if (e) {
            return;
        }
    }
    waiters_leave_woken(mutex); /* it may have been woken meanwhile */
}

void sleepers_fork_child(void)
{
    if (!sleepers_used) {
        return;
    }
    sleepers_used = false;
    for (int i = 0; i < 1 << SLEEPERS_BITS; i++) {
        struct sleepers_bucket *b = &sleepers_buckets[i];
        if (b->lock.taken || b->lost || b->count || b->first.cond) {
            *b = (struct sleepers_bucket){0}; /* its entries may be half changed */
        }
    }
}
