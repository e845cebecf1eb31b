/* SPDX-License-Identifier: MIT
 *
 * The threads that sleep on each condition variable, and which mutex each of them will want when it
 * is woken. glibc takes that mutex again inside the wait, where no hook can see it begin; but the
 * thread that signals is seen, and from then on the sleeper waits for the mutex like any other
 * thread (waiters.h).
 *
 * Which of several sleepers a signal wakes is not known and need not be: per pair of condition and
 * mutex, so many threads are asleep, and so many have been woken and are not back yet.
 *
 * Locks: an entry's counts are under the lock of its mutex's bucket in waiters.h, so that each step
 * takes one lock; a signal, which knows no mutex, finds the entry without a lock and looks again
 * under it. Which entries a list has, and for which pairs, changes under the list's own lock and,
 * within it, that of the mutex's bucket. Entries are never freed, and keep their pair until another
 * pair takes them over.
 *
 * Called by contention_condition.c. Not in a signal handler that has interrupted one of these
 * functions on its own thread: the caller looks at self.waits_busy first. What happens at once is
 * inline here, the rest is in sleepers.c; see contention_count.h for why.
 */
#ifndef COLLECTORS_SLEEPERS_H
#define COLLECTORS_SLEEPERS_H

#include "collectors/base/hash.h"
#include "collectors/waits/waiters.h"

enum { SLEEPERS_BITS = 10 };

/* Of most buckets the first entry is all there is. */
struct sleepers_entry {
    const void *cond; /* with mutex: the pair that used the entry last; NULL = none */
    const void *mutex;
    struct sleepers_entry *next;
    uint64_t last;   /* of the thread that entered last: how many waits for cond had begun before */
    uint32_t asleep; /* threads asleep on cond */
    uint32_t woken;  /* threads that were woken and do not have the mutex yet */
    uint32_t behind; /* waits that have found the entry behind the first of its bucket */
};
extern HIDDEN struct sleepers_bucket {
    struct sleepers_entry first;
    struct lock lock; /* of the list, not of its entries */
    uint32_t lost;    /* given up: its lock was orphaned */
} __attribute__((aligned(CACHE_LINE))) sleepers_buckets[1 << SLEEPERS_BITS];

static inline struct sleepers_bucket *sleepers_bucket(const void *cond)
{
    uint32_t i = hash_bits((uint32_t)((uintptr_t)cond >> 3), SLEEPERS_BITS);
    struct sleepers_bucket *b = &sleepers_buckets[i];
    ONE_ADDRESS(b);
    return b;
}

/* False: no thread is known that a signal to this condition could wake. */
static inline bool sleepers_maybe(const void *cond)
{
    const struct sleepers_entry *e = &sleepers_bucket(cond)->first;
    return LOAD(&e->asleep) != 0 || LOAD(&e->next);
}

static inline bool sleepers_is_of(const struct sleepers_entry *e, const void *cond,
                                  const void *mutex)
{
    return LOAD(&e->cond) == cond && LOAD(&e->mutex) == mutex;
}

/* The calling thread, which holds mutex, is about to sleep on cond; begun: how many waits for cond
 * had begun before. The entry that it is registered in, for sleepers_leave(); NULL = none. The
 * function at once also returns NULL where it would have to search or wait; then it has changed
 * nothing. */
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

/* A thread is back from its sleep, and holds the mutex again. by_time: its time was up, though a
 * signal at the same moment may have counted it as woken. The function at once is for a thread that
 * was woken by a signal while no other woken one is on its way: its mutex; NULL = another case, and
 * nothing has changed. */
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

/* Under the lock of the mutex's bucket: how many of the threads asleep in e does a signal wake? For
 * the arguments see sleepers_wake(). */
static inline uint32_t sleepers_woken_by(const struct sleepers_entry *e, uint32_t inside,
                                         uint64_t begun, uint32_t most)
{
    uint32_t n = e->asleep; /* POSIX: all waits for one condition use one mutex */
    /* A thread that has entered here but still holds the mutex is not inside its wait, and this
     * signal does not wake it. There can be one such thread at most: the last that entered. */
    n -= n > 0 && e->last == begun;
    n = n < most ? n : most;
    n = n < inside ? n : inside;
    return inside <= e->asleep + e->woken ? n : 0;
}

/* Before a signal to cond at `now`, in ticks, which wakes `most` threads at most: the known
 * sleepers among them wait for their mutex from now on. inside: how many threads are inside a wait
 * for cond, woken or not, and have not left it for the mutex; begun: how many waits have ever
 * begun; both by the condition's own words. If more threads are inside than are known here, none is
 * taken for woken. The mutex is not touched: the sleeper may have been cancelled, and the mutex
 * freed. */
COLD void sleepers_wake(const void *cond, uint32_t inside, uint64_t begun, uint32_t most,
                        uint64_t now);
/* False: not the usual case, and nothing has changed. */
static inline bool sleepers_wake_at_once(const void *cond, uint32_t inside, uint64_t begun,
                                         uint32_t most, uint64_t now)
{
    struct sleepers_entry *e = &sleepers_bucket(cond)->first;
    const void *mutex = LOAD(&e->mutex); /* NULL: the entry passes from one pair to another */
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

/* In a forked child, where no thread sleeps: empties all lists. */
void sleepers_fork_child(void);

#endif
