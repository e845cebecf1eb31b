/* SPDX-License-Identifier: MIT
 *
 * What a collector is to the table of profiles (collectors/kinds.c): something that is started
 * once, stopped once, and told of each fork. One collector may keep several profiles: heap and
 * allocs are two views of one table, and block and mutex share how a wait is timed. No state of its
 * own.
 */
#ifndef COLLECTORS_COLLECTOR_H
#define COLLECTORS_COLLECTOR_H

#include "collectors/base/abi.h"

/* What a profile depends on beyond its own collector. A row of the table names these in `needs`. */
enum collector_needs {
    NEEDS_THREADS = 1,  /* the stacks of all threads, taken just before each dump (allthreads.h) */
    NEEDS_CREATORS = 2, /* of each thread, the stack that created it (threadcreate.h) */
};

/* Plain numbers, so that a collector does not know where settings come from. */
struct collector_settings {
    int64_t cpu_rate;       /* samples per second of each thread's CPU time; 0 = off */
    int64_t mem_rate;       /* mean bytes between sampled allocations; 1 = all of them, 0 = off */
    int64_t block_rate;     /* ns blocked for each sample of a wait; 1 = all waits, 0 = off */
    int64_t mutex_fraction; /* one in so many contended releases; 1 = all, 0 = off */
    uint64_t seed;          /* fixes the sampling decisions; 0 = not fixed */
    int signal;             /* sent by timers and by allthreads_take(); our handler is installed;
                             * 0: the kernel refuses it, and then each such timer (EINVAL) */

    int64_t heap_growth;      /* bytes by which the live heap passes its last peak; 0 = unwatched */
    void (*heap_grown)(void); /* called then, inside the allocation */
    bool heap_labels;         /* samples of the heap carry the labels of their allocation */
    bool allocator_is_known;  /* the program's allocator is not libc's, and its code lies in: */
    uintptr_t allocator_lo, allocator_hi; /* [lo, hi) */

    uint32_t needs; /* enum collector_needs of all enabled profiles; set by kinds_start() */
};

struct collector {
    /* parts: the bits (`part` of struct kind) of the profiles that are to be kept. Also called with
     * 0: nothing is sampled then, but the API may still use the collector (a CPU session needs no
     * cpu profile). Constructor only. */
    void (*start)(const struct collector_settings *s, uint32_t parts);
    /* Nothing is sampled and no system call made from now on, for good. NULL = nothing to stop. */
    void (*stop)(void);
    /* In a forked child, its parent's nth, with our signals blocked and one thread. NULL = nothing
     * to do. */
    void (*fork_child)(uint64_t nth);
};

#endif
