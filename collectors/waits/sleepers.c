/* SPDX-License-Identifier: MIT
 *
 * See sleepers.h: what happens rarely.
 */
#include "collectors/waits/sleepers.h"

#include "collectors/base/arena.h"

struct sleepers_bucket sleepers_buckets[1 << SLEEPERS_BITS];
static bool used; /* there has been a sleeper; set before a list is locked */

enum {
    SHORT = 3, /* a list of no more entries beside the first grows, before entries are taken over */
    OFTEN = 64, /* waits that found their entry behind the first, before it becomes the first */
};

/* Under the list's lock. True: no thread is in the entry, and from now on it has no pair. */
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

/* Under the list's lock: an entry without a pair; NULL = no memory. A short list grows rather than
 * take an entry over: a pair that no thread is in now may be in use again at once. */
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

/* Moves *e along the list to the pair's entry. False: there is none, and *e is the last one. */
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

/* Registers the calling thread, if e is still this pair's. */
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

/* Under the list's lock: gives the pair an entry that has none, and registers the calling thread.
 */
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
    STORE(&used, true); /* before the locks: the child of a fork looks at them only if set */
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
        e = take_over(&b->first) ? &b->first : e; /* the first one's pair will find e vacant */
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
    } else if (e->asleep > 0) { /* it was woken by no signal that was seen */
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
    const void *mutex = LOAD(&e->mutex); /* NULL: the entry passes from one pair to another */
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
            *b = (struct sleepers_bucket){0}; /* it may have been left half changed */
        }
    }
}
