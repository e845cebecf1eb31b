/* SPDX-License-Identifier: MIT
 *
 * Who sleeps on which condition variable, and which mutex each will want when it is woken. glibc
 * takes that mutex again inside the wait, where no hook can see it begin; but the one that signals
 * is seen, and from then on the sleeper waits for the mutex like any other thread (waiters.h).
 *
 * Which of several sleepers a signal wakes is not known and need not be: per condition and mutex
 * so many are asleep, and so many have been woken and are not back yet.
 *
 * Called by collectors/contention_condition.c. Not for signal handlers: the caller sees to it that
 * its own thread is not in here already.
 */
#ifndef COLLECTORS_SLEEPERS_H
#define COLLECTORS_SLEEPERS_H

#include "collectors/base/lock.h"

enum { SLEEPERS_BITS = 10 };

/* Private to sleepers_table.h but for what sleepers_maybe() looks at. Of most buckets the first
 * entry is all there is. */
struct sleepers_entry {
    const void *cond; /* and mutex: the pair that used it last; NULL = none */
    const void *mutex;
    struct sleepers_entry *next;
    uint64_t last;   /* to enter: how many waits had begun before its own */
    uint32_t asleep; /* so many threads */
    uint32_t woken;  /* and so many that are not back yet */
    uint32_t behind; /* so many waits have found it behind the first of its bucket */
};
extern HIDDEN struct sleepers_bucket {
    struct sleepers_entry first;
    struct lock lock; /* of the list, not of its entries */
    uint32_t lost;    /* given up */
} __attribute__((aligned(CACHE_LINE))) sleepers_buckets[1 << SLEEPERS_BITS];

static inline struct sleepers_bucket *sleepers_bucket(const void *cond)
{
    uint32_t hash = (uint32_t)((uintptr_t)cond >> 3) * 0x9e3779b1U;
    struct sleepers_bucket *b = &sleepers_buckets[hash >> (32 - SLEEPERS_BITS)];
    ONE_ADDRESS(b);
    return b;
}

/* False: a signal to this condition wakes nobody that is known. */
static inline bool sleepers_maybe(const void *cond)
{
    const struct sleepers_entry *e = &sleepers_bucket(cond)->first;
    return LOAD(&e->asleep) != 0 || LOAD(&e->next);
}

/* In a forked child nobody sleeps. */
void sleepers_fork_child(void);

#endif
