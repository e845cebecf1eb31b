/* SPDX-License-Identifier: MIT
 *
 * Who sleeps on which condition variable, and which mutex each will want when it is woken. glibc
 * takes that mutex again inside the wait, where no hook can see it begin; but the one that signals
 * is seen, and from then on the sleeper waits for the mutex like any other thread (waiters.h).
 *
 * Which of several sleepers a signal wakes is not known and need not be: per condition and mutex
 * there are so many asleep and so many woken that have not come back yet.
 *
 * Called by collectors/contention.c. Not for signal handlers: the caller sees to it that its own
 * thread is not in here already.
 */
#ifndef COLLECTORS_SLEEPERS_H
#define COLLECTORS_SLEEPERS_H

#include "collectors/base/abi.h"

enum { SLEEPERS_BITS = 8 };
/* Threads asleep on the conditions of each bucket. */
extern HIDDEN uint32_t sleepers_count[1 << SLEEPERS_BITS];

static inline uint32_t sleepers_bucket(const void *cond)
{
    return (uint32_t)((uintptr_t)cond >> 3) * 0x9e3779b1U >> (32 - SLEEPERS_BITS);
}

/* False: a signal to this condition wakes nobody that is known. */
static inline bool sleepers_maybe(const void *cond)
{
    return LOAD(&sleepers_count[sleepers_bucket(cond)]) != 0;
}

/* The calling thread, which holds mutex, is about to sleep on cond; so many waits for cond have
 * begun before. False: not entered. */
bool sleepers_enter(const void *cond, const void *mutex, uint64_t begun);
/* It is back, and holds the mutex again. by_time: its time was up, which a signal at the same
 * moment may have been too late to prevent. */
void sleepers_leave(const void *cond, const void *mutex, bool by_time);

/* What a condition tells of itself. Its mutex is not asked: of one whose sleeper was cancelled, the
 * memory may be gone. */
struct sleepers_asked {
    uint32_t
        inside; /* threads that are in a wait, woken or not, and have not left it for the mutex */
    uint64_t begun; /* waits, ever */
};

/* Before a signal to cond, which wakes `most` threads at most: those of the known sleepers that it
 * wakes wait for their mutex from `now` on. If more are inside than are known, none is claimed. */
void sleepers_wake(const void *cond, const struct sleepers_asked *asked, uint32_t most,
                   uint64_t now);

/* In a forked child nobody sleeps. */
void sleepers_fork_child(void);

#endif
