/* SPDX-License-Identifier: MIT
 *
 * The table of sleepers.h: who sleeps on which condition, and the way from there to the waiters for
 * a mutex. Inline for the same reason as waiters_table.h.
 *
 * What an entry holds is under the lock of its mutex's bucket there, so that each step takes one
 * lock; a signal, which knows no mutex, finds the entry without one and looks again. Entries are
 * never freed, and keep their pair until another wants them. Which ones a bucket has, and for
 * whom, changes under the lock of the bucket here, and within it those of the waiters.
 *
 * Called by collectors/contention_condition.c. Not for signal handlers: the caller sees to it that
 * its own thread is not in here already.
 */
#ifndef COLLECTORS_SLEEPERS_TABLE_H
#define COLLECTORS_SLEEPERS_TABLE_H

#include "collectors/waits/sleepers.h"
#include "collectors/waits/waiters_table.h"

static inline bool sleepers_is_of(const struct sleepers_entry *e, const void *cond,
                                  const void *mutex)
{
    return LOAD(&e->cond) == cond && LOAD(&e->mutex) == mutex;
}

/* The calling thread, which holds mutex, is about to sleep on cond; so many waits for cond have
 * begun before. Where it has entered; NULL = nowhere. */
COLD struct sleepers_entry *sleepers_enter(const void *cond, const void *mutex, uint64_t begun);
static inline struct sleepers_entry *sleepers_enter_at_once(const void *cond, const void *mutex,
                                                            uint64_t begun)
{
    struct sleepers_entry *e = &sleepers_bucket(cond)->first;
    struct waiters_bucket *b = waiters_bucket_of(mutex);
    if (UNLIKELY(LOAD(&e->cond) != cond) || !waiters_bucket_try(b)) {
        return NULL;
    }
    bool ours = sleepers_is_of(e, cond, mutex);
    if (LIKELY(ours)) {
        e->last = begun;
        STORE(&e->asleep, e->asleep + 1);
    }
    lock_drop(&b->lock);
    return LIKELY(ours) ? e : NULL;
}

/* It is back, and holds the mutex again. by_time: its time was up, which a signal at the same
 * moment may have been too late to prevent. At once: it was woken by a signal, and no other is on
 * its way; its mutex, else NULL, and nothing has changed. */
COLD void sleepers_leave(struct sleepers_entry *e, bool by_time);
static inline const void *sleepers_leave_at_once(struct sleepers_entry *e)
{
    const void *mutex = LOAD(&e->mutex);
    struct waiters_bucket *b = waiters_bucket_of(mutex);
    if (!waiters_bucket_try(b)) {
        return NULL;
    }
    struct waiters_entry *waiters = &b->first;
    bool alone = e->woken == 1 && waiters->lock == (uintptr_t)mutex && waiters->woken == 1;
    if (LIKELY(alone)) {
        STORE(&e->woken, 0);
        waiters->woken_since = 0;
        STORE(&waiters->woken, 0);
    }
    lock_drop(&b->lock);
    return LIKELY(alone) ? mutex : NULL;
}

/* Under the lock: so many of those asleep in e does a signal wake: see sleepers_wake(). */
static inline uint32_t sleepers_woken_by(const struct sleepers_entry *e, uint32_t inside,
                                         uint64_t begun, uint32_t most)
{
    uint32_t n = e->asleep; /* of one mutex: two are an error of theirs */
    /* Who still holds the mutex is not inside yet, and this signal does not wake it. There can
     * be one such at most, and where the signal comes from the holder, none. */
    n -= n > 0 && e->last == begun;
    n = n < most ? n : most;
    n = n < inside ? n : inside;
    return inside <= e->asleep + e->woken ? n : 0;
}

/* Before a signal to cond at `now`, which wakes `most` threads at most: those of the known sleepers
 * that it wakes wait for their mutex from now on. By the condition's own word so many threads are
 * inside a wait, woken or not, and have not left it for the mutex, and so many waits have begun,
 * ever; if more are inside than are known, none is claimed. The mutex is not asked: of one whose
 * sleeper was cancelled, the memory may be gone. */
COLD void sleepers_wake(const void *cond, uint32_t inside, uint64_t begun, uint32_t most,
                        uint64_t now);
/* False: not at once, and nothing has changed. */
static inline bool sleepers_wake_at_once(const void *cond, uint32_t inside, uint64_t begun,
                                         uint32_t most, uint64_t now)
{
    struct sleepers_entry *e = &sleepers_bucket(cond)->first;
    const void *mutex = LOAD(&e->mutex); /* NULL: between two pairs */
    struct waiters_bucket *b = waiters_bucket_of(mutex);
    if (UNLIKELY(!mutex) || !waiters_bucket_try(b)) {
        return false;
    }
    struct waiters_entry *waiters = &b->first;
    bool ours =
        sleepers_is_of(e, cond, mutex) && e->asleep > 0 && waiters->lock == (uintptr_t)mutex;
    if (LIKELY(ours)) {
        uint32_t n = sleepers_woken_by(e, inside, begun, most);
        STORE(&e->woken, e->woken + n);
        STORE(&e->asleep, e->asleep - n);
        waiters->woken_since += n * now;
        STORE(&waiters->woken, waiters->woken + n);
    }
    lock_drop(&b->lock);
    return LIKELY(ours);
}

#endif
