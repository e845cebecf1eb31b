/* SPDX-License-Identifier: MIT
 *
 * The block and mutex profiles: where threads wait, and which code makes them wait. A wait is
 * charged to the waiter's stack when it is over (block); the waiting of all threads that a lock
 * held up is charged to the stack that releases the lock (mutex). preload/hooks/hook_lock.c,
 * hook_wait.c and hook_futex.c call it around the real functions: only where a thread has to wait,
 * or releases a lock that other threads wait for.
 *
 * Both are sampled as Go samples them. block: a wait of d ns is kept if d >= rate, else with
 * probability d/rate, and then counts as rate/d waits of d ns. mutex: one contended release in n is
 * kept, and counts as n. Every sum is unbiased.
 *
 * Nothing here touches errno, allocates, or holds a lock while the program's code runs. A signal
 * handler of the program that interrupts one of these functions and calls one itself gets its lock
 * as ever, but its wait or release is not counted.
 */
#ifndef COLLECTORS_CONTENTION_H
#define COLLECTORS_CONTENTION_H

#include "collectors/waits/contention_condition.h"
#include "collectors/waits/contention_count.h"

/* Keeps block and mutex. */
extern const struct collector contention_collector;

/* ---- the waiting thread ---- */

/* The calling thread is about to wait: for a lock, whose holder is to be charged, or for something
 * that has no holder (NULL). The end may never come: a wait that is cancelled or jumped out of is
 * not counted, and a registration for a lock is undone at the thread's next wait or at its end. */
void contention_wait_begins(struct contention_wait *w, const void *lock);
/* The wait is over. waited: false where the real function failed at once. */
void contention_wait_ends(struct contention_wait *w, bool waited);

/* n > 0 waits without a holder have ended, of `ticks` together, which other threads may have made:
 * they count for the calling thread's stack. */
void contention_waits_over(uint64_t ticks, uint32_t n);

/* ---- the thread that made others wait ---- */

/* A release under way, on the stack of its hook. */
struct contention_hold {
    uint64_t waited; /* ticks that other threads have waited; 0 = nothing to charge */
    bool others;     /* other readers hold the lock too */
};
/* Before the release of a lock that others may wait for. holders: see waiters_claim(). */
void contention_release_begins(struct contention_hold *h, const void *lock,
                               uint32_t (*holders)(const void *lock));
/* After it: charges the waiting to the stack that called into this library, if the lock was
 * released indeed. The lock is not touched: its memory may be gone. */
void contention_release_ends(struct contention_hold *h, const void *lock, bool released);

/* ---- threads that end ---- */

/* At the end of a thread, which may have been cancelled while it waited for a lock. */
void contention_thread_end(void);

#endif
