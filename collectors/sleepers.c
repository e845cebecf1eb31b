/* SPDX-License-Identifier: MIT
 *
 * See sleepers.h. Laid out as waiters.c is, and given up in the same way when a bucket's lock has
 * been orphaned. Lock: the bucket's, and within it one of waiters.c's: a sleeper that comes back
 * must find itself here or there.
 */
#include "collectors/sleepers.h"

#include "collectors/base/arena.h"
#include "collectors/waiters.h"

struct sleepers_bucket sleepers_buckets[1 << SLEEPERS_BITS];
static READ_OFTEN bool used;

static COLD void bucket_lost(struct sleepers_bucket *b)
{
    STORE(&b->count, 0);
}

static inline struct sleepers_bucket *bucket_lock(const void *cond)
{
    struct sleepers_bucket *b = sleepers_bucket(cond);
    if (UNLIKELY(!lock_take_or_give_up(&b->lock, &b->lost))) {
        bucket_lost(b);
        return NULL;
    }
    return b;
}

/* Under the lock: so many more, or fewer, sleep in e. */
static inline void entry_add(struct sleepers_bucket *b, struct sleepers_entry *e, uint32_t n)
{
    e->asleep += n;
    e->cond = e->asleep ? e->cond : NULL;
    STORE(&b->count, LOAD(&b->count) + n);
}

static inline struct sleepers_entry *entry_of(struct sleepers_bucket *b, const void *cond,
                                              const void *mutex)
{
    struct sleepers_entry *e = &b->first;
    while (e && (e->cond != cond || e->mutex != mutex)) {
        e = e->next;
    }
    return e;
}

static COLD struct sleepers_entry *entry_make(struct sleepers_bucket *b)
{
    struct sleepers_entry *e = arena_alloc(sizeof *e);
    if (e) {
        e->next = b->first.next;
        b->first.next = e;
    }
    return e;
}

static struct sleepers_entry *entry_new(struct sleepers_bucket *b, const void *cond,
                                        const void *mutex)
{
    struct sleepers_entry *e = &b->first;
    while (e && e->cond) {
        e = e->next;
    }
    e = e ? e : entry_make(b);
    if (e) {
        e->cond = cond;
        e->mutex = mutex;
    }
    return e;
}

bool sleepers_enter(const void *cond, const void *mutex, uint64_t begun)
{
    if (UNLIKELY(!LOAD(&used))) {
        STORE(&used, true); /* before the lock: a fork may meet it held */
    }
    struct sleepers_bucket *b = bucket_lock(cond);
    if (!b) {
        return false;
    }
    struct sleepers_entry *e = entry_of(b, cond, mutex);
    e = e ? e : entry_new(b, cond, mutex);
    if (e) {
        entry_add(b, e, 1);
        e->last = begun;
    }
    lock_drop(&b->lock);
    return e != NULL;
}

/* It may still be asleep here, woken by no signal that was seen. */
static COLD void leave_one_of_them(const void *cond, const void *mutex, bool by_time)
{
    struct sleepers_bucket *b = bucket_lock(cond);
    struct sleepers_entry *e = b ? entry_of(b, cond, mutex) : NULL;
    bool stays = e && by_time;
    if (!(!stays && waiters_leave_woken(mutex)) && e) {
        entry_add(b, e, (uint32_t)-1);
    }
    if (b) {
        lock_drop(&b->lock);
    }
}

void sleepers_leave(const void *cond, const void *mutex, bool by_time)
{
    if (UNLIKELY(sleepers_maybe(cond))) {
        leave_one_of_them(cond, mutex, by_time);
    } else {
        waiters_leave_woken(mutex);
    }
}

void sleepers_wake(const void *cond, const struct sleepers_asked *asked, uint32_t most,
                   uint64_t now)
{
    uint32_t asleep = 0;
    struct sleepers_entry *found = NULL;
    struct sleepers_bucket *b = bucket_lock(cond);
    if (!b) {
        return;
    }
    for (struct sleepers_entry *e = &b->first; e; e = e->next) {
        if (e->cond == cond) {
            asleep += e->asleep;
            found = e;
        }
    }
    if (found && asked->inside <= asleep + waiters_woken(found->mutex)) {
        uint32_t n = found->asleep; /* of one mutex: two are an error of theirs */
        /* Who still holds the mutex is not inside yet, and this signal does not wake it. There can
         * be one such at most, and where the signal comes from the holder, none. */
        n -= found->last == asked->begun;
        n = n < most ? n : most;
        n = n < asked->inside ? n : asked->inside;
        if (n > 0 && waiters_enter_woken(found->mutex, n, now)) {
            entry_add(b, found, -n);
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
        struct sleepers_bucket *b = &sleepers_buckets[i];
        if (b->lock.taken || b->lost || b->count || b->first.cond) {
            *b = (struct sleepers_bucket){0}; /* its entries may be half changed */
        }
    }
}
