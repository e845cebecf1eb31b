/* SPDX-License-Identifier: MIT
 *
 * The table of sleepers.h: who sleeps on which condition, and the way from there to the waiters for
 * a mutex. Laid out as waiters_table.h is, inline for the same reason, and given up in the same way
 * when a bucket's lock has been orphaned. Lock: the bucket's, and within it one of waiters_table.h:
 * a sleeper that comes back must find itself here or there.
 *
 * Called by collectors/contention.c. Not for signal handlers: the caller sees to it that its own
 * thread is not in here already.
 */
#ifndef COLLECTORS_SLEEPERS_TABLE_H
#define COLLECTORS_SLEEPERS_TABLE_H

#include "collectors/sleepers.h"
#include "collectors/waiters_table.h"

extern HIDDEN bool sleepers_used; /* there has been one */

COLD void sleepers_bucket_lost(struct sleepers_bucket *b);

static inline struct sleepers_bucket *sleepers_bucket_lock(struct sleepers_bucket *b)
{
    if (UNLIKELY(!lock_take_or_give_up(&b->lock, &b->lost))) {
        sleepers_bucket_lost(b);
        return NULL;
    }
    return b;
}

/* Under the lock: so many more, or fewer, sleep in e. */
static inline void sleepers_entry_add(struct sleepers_bucket *b, struct sleepers_entry *e,
                                      uint32_t n)
{
    e->asleep += n;
    e->cond = e->asleep ? e->cond : NULL;
    STORE(&b->count, LOAD(&b->count) + n);
}

static inline struct sleepers_entry *sleepers_entry_of(struct sleepers_bucket *b, const void *cond,
                                                       const void *mutex)
{
    struct sleepers_entry *e = &b->first;
    while (e && (e->cond != cond || e->mutex != mutex)) {
        e = e->next;
    }
    return e;
}

/* Its entry, or a free one made it; NULL = no memory. */
struct sleepers_entry *sleepers_entry_search(struct sleepers_bucket *b, const void *cond,
                                             const void *mutex);

static inline struct sleepers_entry *sleepers_entry_for(struct sleepers_bucket *b, const void *cond,
                                                        const void *mutex)
{
    struct sleepers_entry *e = &b->first;
    if (UNLIKELY(e->cond || e->next)) {
        return sleepers_entry_search(b, cond, mutex);
    }
    e->cond = cond;
    e->mutex = mutex;
    return e;
}

/* The calling thread, which holds mutex, is about to sleep on cond; so many waits for cond have
 * begun before. False: not entered. */
static inline bool sleepers_enter(const void *cond, const void *mutex, uint64_t begun)
{
    if (UNLIKELY(!LOAD(&sleepers_used))) {
        STORE(&sleepers_used, true); /* before the lock: a fork may meet it held */
    }
    struct sleepers_bucket *b = sleepers_bucket_lock(sleepers_bucket(cond));
    if (!b) {
        return false;
    }
    struct sleepers_entry *e = sleepers_entry_for(b, cond, mutex);
    if (LIKELY(e)) {
        sleepers_entry_add(b, e, 1);
        e->last = begun;
    }
    lock_drop(&b->lock);
    return e != NULL;
}

/* It may still be asleep here, woken by no signal that was seen. */
COLD void sleepers_leave_one(const void *cond, const void *mutex, bool by_time);
/* Neither asleep on its condition nor woken: one that no signal had woken came back from another
 * condition of this mutex, and was taken for this one. It is asleep there still: this one is taken
 * for it in turn, for all of a mutex must come to 0 when nobody waits. */
COLD void sleepers_leave_for_another(const void *mutex);

/* It is back, and holds the mutex again. by_time: its time was up, which a signal at the same
 * moment may have been too late to prevent. */
static inline void sleepers_leave(const void *cond, const void *mutex, bool by_time)
{
    if (UNLIKELY(sleepers_maybe(cond))) {
        sleepers_leave_one(cond, mutex, by_time);
    } else if (UNLIKELY(!waiters_leave_woken(mutex))) {
        sleepers_leave_for_another(mutex);
    }
}

/* Before a signal to cond, which wakes `most` threads at most: those of the known sleepers that it
 * wakes wait for their mutex from `now` on. If more are inside than are known, none is claimed. */
static inline void sleepers_wake(const void *cond, const struct sleepers_asked *asked,
                                 uint32_t most, uint64_t now)
{
    uint32_t asleep = 0;
    struct sleepers_entry *found = NULL;
    struct sleepers_bucket *b = sleepers_bucket_lock(sleepers_bucket(cond));
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
            sleepers_entry_add(b, found, -n);
        }
    }
    lock_drop(&b->lock);
}

#endif
