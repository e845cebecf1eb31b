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

#include "collectors/waits/contention_condition.h"
#include "collectors/waits/contention_count.h"

/* Keeps block and mutex. */
extern const struct collector contention_collector;

/* ---- the waiting thread ---- */

/* The calling thread is about to wait: for a lock, whose holder is to be charged, or for something
 * that nobody holds (NULL). Nothing has to follow: a wait that is cancelled or jumped out of is
 * simply not counted, if it is for no lock. */
void contention_wait_begins(struct contention_wait *w, const void *lock);
/* It is over. waited: it was a wait indeed, and no error. */
void contention_wait_ends(struct contention_wait *w, bool waited);

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

/* ---- threads that end ---- */

/* At the end of a thread, which may have been cancelled while it waited for a lock. */
void contention_thread_end(void);

#endif
