/* SPDX-License-Identifier: MIT
 *
 * What the library knows of the thread it runs in: one plain block of initial-exec thread-local
 * memory, zero in a new thread, without constructor or destructor, so that the first and the last
 * allocation of a thread find it as usable as any other. Touch it only in threads that have a
 * thread block (see arch_thread_pointer).
 */
#ifndef BASE_SELF_H
#define BASE_SELF_H

#include "collectors/base/abi.h"

struct thread;
struct labels;
struct stack;
struct proof;
struct bucket;
struct sleepers_entry;

/* What captures in one place of the thread's have found: collectors/stacks/stack_memo.h. */
struct stack_memo {
    struct proof *proof;        /* of `proven`; NULL = none yet */
    const struct stack *proven; /* written before its proof is */
    const struct stack *seen;   /* the last time */
};

/* What the thread counted last in a profile of waits: mostly it is what it counts next. */
struct wait_memo {
    struct stack_memo stack;
    const struct stack *of;
    struct bucket *bucket;
};

struct self {
    /* An allocation of that many bytes or more is sampled, a smaller one is subtracted. 0 in a new
     * thread: its first allocation goes the slow way, which draws the first gap and asks again. 0
     * for good where every allocation is sampled. */
    uint64_t heap_left;
    uint64_t heap_rate;          /* by which heap_left was drawn; sampled objects count by it */
    uint64_t heap_rate_sampled;  /* by which the object at hand was sampled */
    uint64_t random;             /* state of the thread's generator; 0 = not yet seeded */
    uint64_t probe_left;         /* heap_left as it was when probe_armed was set */
    const struct labels *labels; /* that its samples carry; NULL = none */
    const struct labels *spare;  /* that it carried before, and still has a reference to */
    uintptr_t stack_lo;          /* the thread's own stack; 0 = unknown */

    uintptr_t stack_hi;     /* a line on which a contended lock finds most of what it wants */
    uint32_t depth;         /* > 0 while inside the profiler: nested events are not sampled */
    uint32_t trail;         /* the number of its last walk's trail; 0 = none yet */
    bool waits_busy;        /* inside a wait's accounting: what it does there is not counted */
    bool probe_armed;       /* "does this operator new come back through malloc?" is being asked */
    bool probe_hit;         /* it does */
    bool prof_blocked;      /* the program believes that it blocks SIGPROF in this thread */
    bool prof_real;         /* the kernel blocks it in this thread, too */
    const void *waiting;    /* the lock that it is registered as waiting for, or NULL */
    uint64_t waiting_since; /* ticks */
    const void *took;       /* the lock that it took last after a wait, held still or not */
    uint64_t took_at;       /* ticks */
    struct sleepers_entry *asleep; /* where it is registered as asleep on a condition, or NULL */

    struct wait_memo last_block;
    uint64_t wait_random;  /* state of the generator for waits; 0 = not yet seeded */
    struct thread *thread; /* its row in the registry; NULL = not registered */

    struct wait_memo last_mutex;
    void *calls;        /* the innermost of the calls under way that restore its labels */
    uint64_t fork_mask; /* the signal mask before the fork handlers that are running */
    void *once;         /* the innermost one-time initialisation that it is in, or NULL */

    uint64_t alloc_began;  /* ticks, of the sampled call that it is in; 0 = not timed */
    uint64_t alloc_waited; /* ns, in the one that it was in; 0 = it did not wait */
    long alloc_sleeps;     /* of this thread, when it began */
    int *errno_at;         /* &errno; NULL = not yet asked for */
} __attribute__((aligned(CACHE_LINE)));

extern HIDDEN THREAD_LOCAL struct self self;

#endif
