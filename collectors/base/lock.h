/* SPDX-License-Identifier: MIT
 *
 * The locks of the library: all of them, in the one order in which they may be waited for. A thread
 * that waits for a lock holds only locks that stand before it in LOCKS; two of one rank (two
 * shards) are never held together. A lock that is only tried, or tried for a bounded time, cannot
 * stop its thread, and may be out of order. With -DDEBUG_LOCKS (make DEBUG=1) every wait is
 * checked, see lock.c; without it ranks cost nothing.
 *
 * A lock is a word that spins (lock_wait.h): critical sections are tens of nanoseconds long where
 * nothing else is said, all on slow paths, and are entered with the program's signals either
 * blocked or unable to want the same lock. No lock is held over a fork: libc takes its own locks in
 * the fork handlers, and a thread that holds one of those may be waiting for one of these. Instead
 * the child repairs what each lock guards.
 *
 * Words that a thread only claims by trying, and does without where another has them (the buffers
 * of stack walks, say), are no locks and not listed.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "collectors/base/sys.h"

/* LOCK(rank, what it is for, what a forked child does where another thread held it) */
#define LOCKS(LOCK)                                                                                \
    LOCK(LOCK_ASKING,                                                                              \
         "allthreads_ask.c: one thread at a time asks the others for their stacks, for up to "     \
         "0.1 s; only tried",                                                                      \
         "dropped; no round is under way")                                                         \
    LOCK(LOCK_SHARING, "allthreads.c: the last set of stacks, for threads that want one too",      \
         "dropped; stacks that no dump has taken are freed")                                       \
    LOCK(LOCK_CPU_RATE, "cpu_rate.c: the sampling rate changes, and with it all threads' timers",  \
         "dropped; the timers are made anew")                                                      \
    LOCK(LOCK_THREAD_ROW, "cpu_timer.h: a thread's timer changes (THREAD_CHANGING of its row)",    \
         "all rows but the own thread's become free")                                              \
    LOCK(LOCK_SIGNAL, "disposition.c: what the program has set for a signal of ours",              \
         "dropped; readers find the setting before or after")                                      \
    LOCK(LOCK_UNLOADED, "unloaded.c: what a dlclose has unloaded; never in a handler",             \
         "dropped; records are entered by their last store")                                       \
    LOCK(LOCK_REBINDING,                                                                           \
         "hook_dlopen.c: look-ups of malloc are changed; tried for a bounded time",                \
         "dropped; the change is begun anew at the next dlopen")                                   \
    LOCK(LOCK_CUSTOM, "custom.c: 64 shards for each of the program's own profiles",                \
         "all counts are made anew from the entries")                                              \
    LOCK(LOCK_LIVE, "live.c: 256 shards of the table of sampled live memory",                      \
         "the shard's table and bits are made anew from its slots")                                \
    LOCK(LOCK_SLEEPERS,                                                                            \
         "sleepers.h: 1,024 lists of the conditions that threads sleep on; given up after half a " \
         "second, for a cancelled thread may have left it taken",                                  \
         "emptied: in the child no thread sleeps")                                                 \
    LOCK(LOCK_WAITERS, "waiters.h: 1,024 buckets of the locks that threads wait for; likewise",    \
         "emptied: in the child no thread waits")                                                  \
    LOCK(LOCK_REBASING, "recorded.c: one thread sets the zero of all tables after a fork",         \
         "begun anew at the child's first event")                                                  \
    LOCK(LOCK_RULES, "rules.c: libunwind is asked for a rule; tried for a bounded time",           \
         "dropped; libunwind is mapped anew")                                                      \
    LOCK(LOCK_LABELS, "labels_pool.c: 16 lists for each size of free label sets; only tried",      \
         "the list is emptied")                                                                    \
    LOCK(LOCK_TICKS, "ticks.c: the tick's length is measured; only tried", "dropped")

enum lock_rank {
#define RANK(rank, purpose, fork) rank,
    LOCKS(RANK)
#undef RANK
        LOCK_RANKS
};

struct lock {
    uint32_t taken;
};

/* What the check knows: a thread is about to wait without a bound, has taken, has given back.
 * SIGNAL_SAFE; any thread, with a thread block or without. */
#ifdef DEBUG_LOCKS
void lock_check_wait(enum lock_rank rank);
bool lock_check_taken(const void *lock, enum lock_rank rank); /* true */
void lock_check_dropped(const void *lock);
#else
static inline void lock_check_wait(enum lock_rank rank)
{
    (void)rank;
}
static inline bool lock_check_taken(const void *lock, enum lock_rank rank)
{
    (void)lock, (void)rank;
    return true;
}
static inline void lock_check_dropped(const void *lock)
{
    (void)lock;
}
#endif

/* The lock is taken, if it is free. */
static inline bool lock_try(struct lock *l, enum lock_rank rank)
{
    return !LOAD(&l->taken) && !__atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE) &&
           lock_check_taken(l, rank);
}

/* Also in a forked child, of a lock that another thread held. */
static inline void lock_drop(struct lock *l)
{
    lock_check_dropped(l);
    STORE_RELEASE(&l->taken, 0);
}

#endif
