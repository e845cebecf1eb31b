/* SPDX-License-Identifier: MIT
 *
 * Who sleeps on which condition variable, and which mutex each will want when it is woken. glibc
 * takes that mutex again inside the wait, where no hook can see it begin; but the one that signals
 * is seen, and from then on the sleeper waits for the mutex like any other thread (waiters.h).
 *
 * Which of several sleepers a signal wakes is not known and need not be: per condition and mutex
 * there are so many asleep here, and so many that have been woken and are not back yet there.
 *
 * Called by collectors/contention.c. Not for signal handlers: the caller sees to it that its own
 * thread is not in here already.
 */
#ifndef COLLECTORS_SLEEPERS_H
#define COLLECTORS_SLEEPERS_H

#include "collectors/base/lock.h"

enum { SLEEPERS_BITS = 8 };

/* Private to sleepers_table.h but for the count. Of most buckets the first entry is all there is.
 */
struct sleepers_entry {
    const void *cond; /* NULL = free: nobody is asleep */
    const void *mutex;
    uint64_t last; /* to enter: how many waits had begun before its own */
    struct sleepers_entry *next;
    uint32_t asleep;
};
extern HIDDEN struct sleepers_bucket {
    struct lock lock;
    uint32_t lost;  /* given up */
    uint32_t count; /* threads asleep on the bucket's conditions */
    struct sleepers_entry first;
} __attribute__((aligned(CACHE_LINE))) sleepers_buckets[1 << SLEEPERS_BITS];

static inline struct sleepers_bucket *sleepers_bucket(const void *cond)
{
    uint32_t hash = (uint32_t)((uintptr_t)cond >> 3) * 0x9e3779b1U;
    return &sleepers_buckets[hash >> (32 - SLEEPERS_BITS)];
}

/* False: a signal to this condition wakes nobody that is known. */
static inline bool sleepers_maybe(const void *cond)
{
    return LOAD(&sleepers_bucket(cond)->count) != 0;
}

/* What a condition tells of itself. Its mutex is not asked: of one whose sleeper was cancelled, the
 * memory may be gone. */
struct sleepers_asked {
    uint32_t inside; /* threads that are in a wait, woken or not, and have not left it for the
                      * mutex */
    uint64_t begun;  /* waits, ever */
};

/* In a forked child nobody sleeps. */
void sleepers_fork_child(void);

#endif
