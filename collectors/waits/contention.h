/* SPDX-License-Identifier: MIT
 *
 * The block and mutex profiles: where threads wait, and who makes them wait. A wait is charged to
 * the waiter's stack when it is over (block); the waiting of all threads that a lock held up is
 * charged to the stack that releases it (mutex). preload/hooks/hook_lock.c, hook_wait.c,
 * hook_futex.c call it around the real functions: only where a thread has to wait, or releases what
 * others wait for.
 *
 * Both are sampled as Go samples them. block: a wait of d ns is kept if d >= rate, else with
 * probability d/rate, and then counts as rate/d waits of d ns. mutex: one contended release in n is
 * kept, and counts as n. Every sum is unbiased.
 *
 * Nothing here touches errno, allocates, or holds a lock while the program's code runs. A handler
 * that interrupts it on the same thread and comes here again is served without being counted.
 */
#ifndef COLLECTORS_CONTENTION_H
#define COLLECTORS_CONTENTION_H

#include "collectors/collector.h"
#include "collectors/snapshot.h"

/* Is anything of this wanted? False before the start, and while both rates are 0. */
extern HIDDEN bool contention_on;

/* Keeps block and mutex: one wait is timed once for both. */
enum { CONTENTION_BLOCK = 1, CONTENTION_MUTEX = 2 };
extern const struct collector contention_collector;

/* Changes PPROF_BLOCK_RATE (ns, 1 = all, 0 = off) or PPROF_MUTEX_FRACTION (1 = all, 0 = off) from
 * now on; a negative value only reads, and so does any where the profile is not kept. The previous
 * value. Any thread. */
int64_t contention_set_block_rate(int64_t rate);
int64_t contention_set_mutex_fraction(int64_t n);

/* ---- the waiting thread ---- */

struct sleepers_entry;
struct contention_wait {
    uint64_t began; /* ticks; 0 = not timed, and nothing of the rest is set */
    union {
        const void *lock;              /* that it is registered for, or NULL */
        struct sleepers_entry *asleep; /* or where as asleep on a condition, or NULL */
    };
    bool unasked; /* block was off when it began */
    bool unheld;  /* it could not be registered: whoever it waits for is not charged */
};

/* The calling thread is about to wait: for a lock, whose holder is to be charged, or for something
 * that nobody holds (NULL). Nothing has to follow: a wait that is cancelled or jumped out of is
 * simply not counted, if it is for no lock. */
void contention_wait_begins(struct contention_wait *w, const void *lock);
/* It is over. waited: it was a wait indeed, and no error. */
void contention_wait_ends(struct contention_wait *w, bool waited);

/* The same for a condition, with the mutex that the wait releases and takes again, and how many
 * waits have begun before. by_time: the wait ended because its time was up. */
void contention_condition_begins(struct contention_wait *w, const void *cond, const void *lock,
                                 uint64_t begun);
void contention_condition_ends(struct contention_wait *w, bool waited, bool by_time);
/* The calling thread is about to wake waiters of a condition; see sleepers_wake(). To be called
 * where sleepers_maybe(). */
void contention_wakes(const void *cond, uint32_t inside, uint64_t begun, uint32_t most);

/* A wait inside the allocator, which stands for `weight` of its kind, found by sampling: it counts
 * under the allocator's name in both profiles. Between arch_float_enter() and _leave(). */
COLD void contention_in_allocator(uint64_t ns, double weight);

/* ---- the thread that made others wait ---- */

/* Before it releases a lock that others may wait for: the ticks that they have waited,
 * which are to be charged to it once it is released; 0 = none. holders: see waiters_claim(). */
struct contention_hold {
    uint64_t waited; /* ticks */
    bool others;     /* hold it too */
};
void contention_release_begins(struct contention_hold *h, const void *lock,
                               uint32_t (*holders)(const void *lock));
/* After: charges it to the stack that called into this library, if it was released indeed. */
void contention_release_ends(struct contention_hold *h, const void *lock, bool released);

/* ---- reading ---- */

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t contention_block_snapshot(struct snapshot_sample **out, size_t *bytes);
size_t contention_mutex_snapshot(struct snapshot_sample **out, size_t *bytes);

/* At the end of a thread, which may have been cancelled while it waited for a lock. */
void contention_thread_end(void);

#endif
