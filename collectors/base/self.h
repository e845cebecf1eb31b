/* SPDX-License-Identifier: MIT
 *
 * What the library knows of the thread it runs in: one plain block of initial-exec thread-local
 * memory, zero in a new thread, without constructor or destructor, so that it can be used by the
 * first and the last allocation of a thread like by any other. Touch it only in threads that have a
 * thread block of their own (see arch_thread_pointer()). Each field belongs to the files that its
 * comment names or implies; the order of the fields is that of the cache lines they share.
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
struct openmp_wait;
struct openmp_region;

/* The last stack that the thread captured in one place of the code
 * (collectors/stacks/stack_memo.h). */
struct stack_memo {
    struct proof *proof;        /* of `proven`; NULL = none yet */
    const struct stack *proven; /* written before its proof is */
    const struct stack *seen;   /* the last one, proven or not */
};

/* The bucket that the thread counted last in one of the profiles block and mutex: mostly it is the
 * one that it counts next. */
struct wait_memo {
    struct stack_memo stack;
    uintptr_t leaf; /* a function that its stacks are to end in; 0 = none. See contention_leaf() */
    const struct stack *of;
    struct bucket *bucket;
};

/* What a hook can do where a signal of ours has cut the call: nothing, because the kernel restarts
 * the call or libc does; go on where it returns EINTR; or also where it has transferred a part. */
enum { SLEEP_IS_RESTARTED, SLEEP_GOES_ON, SLEEP_GOES_ON_IN_PARTS };

/* A function of libc that may sleep, and is called by a hook. */
struct sleep_call {
    const void *function; /* where its address is kept: a pointer to a function */
    long number;          /* of the system call that it makes, or -1 */
    int goes_on;          /* what the hook can do where a signal of ours cuts it */
};

/* Where the thread waits, for other threads to read, and for our signal handlers: the hook stores
 * its frame's address, last, before it calls a function that may sleep, and 0 afterwards. */
struct sleep_note {
    uintptr_t frame; /* the hook's frame, which begins with its caller's frame pointer; 0 = none */
    const struct sleep_call *call;
    uintptr_t caller; /* where the hook returns to: by it a frame that a longjmp has left is told */
    const void *set;  /* the signals that the call blocks while it waits; NULL = as the thread */
    uintptr_t cut;    /* the frame whose wait a signal of ours has cut (preload/hooks/cut.h) */
    uint64_t mask;    /* the signals that the thread blocked before */
    int64_t cut_at;   /* CLOCK_MONOTONIC, ns */
    int cut_errno;    /* errno before the call */
};

struct self {
    /* An allocation of that many bytes or more takes the slow path, a smaller one is subtracted. 0
     * in a new thread: the slow path then draws the first gap, and looks again. Always 0 where
     * every allocation is sampled. */
    uint64_t heap_left;
    uint64_t heap_rate;          /* the rate by which heap_left was drawn, in bytes */
    uint64_t heap_rate_sampled;  /* the rate by which the object at hand was sampled */
    uint64_t random;             /* state of the generator of gaps; 0 = not yet seeded */
    uint64_t probe_left;         /* the value of heap_left when probe_armed was set */
    const struct labels *labels; /* the labels of its samples; NULL = none */
    const struct labels *spare;  /* those before, with a reference; see labels_carry() */
    uintptr_t stack_lo;          /* the thread's own stack; 0 = unknown */

    uintptr_t stack_hi;     /* this line holds most fields of a contended wait */
    uint32_t depth;         /* > 0 while inside the profiler: nested events are not sampled */
    uint32_t trail;         /* the number of its last walk's trail (unwind_trail.h); 0 = none */
    bool waits_busy;        /* see contention_busy() */
    bool probe_armed;       /* to find out whether an operator new calls malloc: the next malloc */
    bool probe_hit;         /* ... sets this */
    bool cancelling;        /* it is in pthread_cancel() */
    const void *waiting;    /* the lock that it is registered as waiting for, or NULL */
    uint64_t waiting_since; /* ticks */
    const void *took;       /* the lock that it took last after a wait; it may have released it */
    uint64_t took_at;       /* ticks */
    struct sleepers_entry *asleep; /* the entry in which it sleeps on a condition, or NULL */

    struct wait_memo last_block;
    uint64_t wait_random;  /* state of the generator for waits; 0 = not yet seeded */
    struct thread *thread; /* its row in the registry; NULL = not registered */

    struct sleep_note sleep __attribute__((aligned(CACHE_LINE)));

    struct wait_memo last_mutex;
    void *calls;        /* the innermost of the calls under way that restore its labels */
    uint64_t fork_mask; /* the signal mask from before the fork that is under way */
    void *once;         /* the innermost one-time initialisation that it is in, or NULL */
    struct openmp_wait *openmp_wait;     /* the wait of OpenMP's that it is in; NULL = none */
    struct openmp_region *openmp_region; /* the region whose end it has come to; NULL = none */

    uint64_t alloc_began;  /* ticks, of the sampled malloc or free that it is in; 0 = not timed */
    uint64_t alloc_waited; /* ns that the last such call waited; 0 = it did not wait */
    long alloc_sleeps;     /* times the thread had slept when the call began */
    int *errno_at;         /* &errno; NULL = not yet asked for */

    /* While the kernel hands the thread's system calls to the program (preload/hooks/dispatch.h):
     * where it looks whether to. NULL = it does not. */
    uint8_t *dispatch;
    uint64_t dispatch_heap_left; /* heap_left from before */
    uint64_t dispatch_unmasked; /* of the signals that are blocked meanwhile, those that were not */
    uint8_t dispatch_always;    /* where the program has given no such place: this is it */

    bool in_daemon; /* the fork that is under way is daemon()'s */
} __attribute__((aligned(CACHE_LINE)));

extern HIDDEN THREAD_LOCAL struct self self;

#endif
