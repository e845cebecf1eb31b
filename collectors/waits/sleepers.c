/* SPDX-License-Identifier: MIT
 *
 * See sleepers.h: what happens rarely.
 */
#include "collectors/waits/sleepers.h"

#include "collectors/base/arena.h"

struct sleepers_bucket sleepers_buckets[1 << SLEEPERS_BITS];
static bool used; /* there has been a sleeper */

enum {
    SHORT = 3,  /* entries beside the first */
    OFTEN = 64, /* waits that found their entry behind others, before it is moved */
};

/* Under the list's lock: nobody is in it, and from now on it is no pair's. */
static bool take_over(struct sleepers_entry *e)
{
    const void *mutex = LOAD(&e->mutex);
    if (LOAD(&e->asleep) != 0 || LOAD(&e->woken) != 0) {
        return false;
    }
    if (!mutex) {
        return true;
    }
    struct waiters_bucket *b = waiters_bucket_lock(mutex);
    bool empty = b && e->asleep == 0 && e->woken == 0;
    if (empty) {
        STORE(&e->cond, NULL);
        STORE(&e->mutex, NULL);
    }
    if (b) {
        lock_drop(&b->lock);
    }
    return empty;
}

/* Likewise: one that is no pair's, or is not any more; NULL = no memory. A short list grows
 * instead: the pairs that nobody is in now may be in use. */
static struct sleepers_entry *vacant(struct sleepers_entry *first)
{
    int others = 0;
    if (!LOAD(&first->mutex)) {
        return first;
    }
    for (struct sleepers_entry *e = first->next; e; e = e->next, others++) {
        if (!LOAD(&e->mutex)) {
            return e;
        }
    }
    for (struct sleepers_entry *e = first->next; e && others >= SHORT; e = e->next) {
        if (take_over(e)) {
            return e;
        }
    }
    struct sleepers_entry *e = arena_alloc(sizeof *e);
    if (e) {
        e->next = first->next;
        STORE_RELEASE(&first->next, e);
    }
    return e;
}

/* From *e on; false: it is not there. */
static bool finds(struct sleepers_entry **e, const void *cond, const void *mutex)
{
    while (!sleepers_is_of(*e, cond, mutex)) {
        struct sleepers_entry *next = LOAD_ACQUIRE(&(*e)->next);
        if (!next) {
            return false;
        }
        *e = next;
    }
    return true;
}

/* One that is still this pair's. */
static bool enter(struct sleepers_entry *e, const void *cond, const void *mutex, uint64_t begun)
{
    struct waiters_bucket *b = waiters_bucket_lock(mutex);
    bool ours = b && sleepers_is_of(e, cond, mutex);
    if (ours) {
        e->last = begun;
        STORE(&e->asleep, e->asleep + 1);
        bool behind = e != &sleepers_bucket(cond)->first && e->behind < OFTEN;
        STORE(&e->behind, behind ? e->behind + 1 : 0);
    }
    if (b) {
        lock_drop(&b->lock);
    }
    return ours;
}

/* Under the list's lock: one that is nobody's. */
static bool enter_new(struct sleepers_entry *e, const void *cond, const void *mutex, uint64_t begun)
{
    struct waiters_bucket *b = waiters_bucket_lock(mutex);
    if (!b) {
        return false;
    }
    waiters_conditions(b);
    STORE(&e->cond, cond);
    STORE(&e->mutex, mutex);
    STORE(&e->asleep, 1);
    STORE(&e->behind, 0);
    e->last = begun;
    lock_drop(&b->lock);
    return true;
}

struct sleepers_entry *sleepers_enter(const void *cond, const void *mutex, uint64_t begun)
{
    struct sleepers_bucket *b = sleepers_bucket(cond);
    struct sleepers_entry *e = &b->first;
    if (finds(&e, cond, mutex) && LOAD(&e->behind) < OFTEN && enter(e, cond, mutex, begun)) {
        return e;
    }
    STORE(&used, true); /* before the locks: a fork may meet them held */
    STORE(&waiters_used, true);
    if (LOAD(&waiters_bucket_of(mutex)->lost) ||
        !lock_take_or_give_up(&b->lock, LOCK_SLEEPERS, &b->lost)) {
        return NULL;
    }
    e = &b->first;
    bool entered = false;
    if (!finds(&e, cond, mutex)) {
        e = vacant(&b->first);
        entered = e && enter_new(e, cond, mutex, begun);
    } else if (LOAD(&e->behind) >= OFTEN && take_over(e)) {
        e = take_over(&b->first) ? &b->first : e; /* whose pair will find e vacant */
        entered = enter_new(e, cond, mutex, begun);
    } else {
        entered = enter(e, cond, mutex, begun);
    }
    lock_drop(&b->lock);
    return entered ? e : NULL;
}

void sleepers_leave(struct sleepers_entry *e, bool by_time)
{
    struct waiters_bucket *b = waiters_bucket_lock(e->mutex);
    if (!b) {
        return;
    }
    if (e->woken > 0 && !(by_time && e->asleep > 0)) {
        STORE(&e->woken, e->woken - 1);
        waiters_leave_woken(b, e->mutex);
    } else if (e->asleep > 0) { /* woken by no signal that was seen */
        STORE(&e->asleep, e->asleep - 1);
    }
    lock_drop(&b->lock);
}

void sleepers_wake(const void *cond, uint32_t inside, uint64_t begun, uint32_t most, uint64_t now)
{
    struct sleepers_entry *e = &sleepers_bucket(cond)->first;
    while (e && (LOAD(&e->cond) != cond || LOAD(&e->asleep) == 0)) {
        e = LOAD_ACQUIRE(&e->next);
    }
    if (!e) {
        return;
    }
    const void *mutex = LOAD(&e->mutex); /* NULL: between two pairs */
    struct waiters_bucket *b = mutex ? waiters_bucket_lock(mutex) : NULL;
    if (!b) {
        return;
    }
    uint32_t n = sleepers_is_of(e, cond, mutex) ? sleepers_woken_by(e, inside, begun, most) : 0;
    if (n > 0 && waiters_enter_woken(b, mutex, n, now)) {
        STORE(&e->woken, e->woken + n);
        STORE(&e->asleep, e->asleep - n);
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
        struct sleepers_bucket *b = &sleepers_buckets[i];
        if (b->lock.taken || b->lost || b->first.cond || b->first.next) {
            *b = (struct sleepers_bucket){0}; /* its entries may be half changed */
        }
    }
}
