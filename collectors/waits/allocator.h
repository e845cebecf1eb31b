/* SPDX-License-Identifier: MIT
 *
 * Waits inside the program's allocator, for block and mutex, all under the one name
 * "[allocator lock]". One that locks through libc (jemalloc) is seen like any other waiter and only
 * has to be told by where it is; its threads' waits for conditions are none of these, as jemalloc's
 * sleep until there is work. glibc's malloc locks between its own functions and tcmalloc by system
 * calls of its own, so their waits are estimated from the sampled allocations and frees: one that
 * put its thread to sleep has waited, and stands for as many as its size's weight.
 *
 * Called around the sampled calls of preload/hooks/hook_alloc.c and its like, in any thread, before
 * and after everything; and by collectors/waits/contention_count.c, which keeps the sums. No locks.
 */
#ifndef COLLECTORS_ALLOCATOR_H
#define COLLECTORS_ALLOCATOR_H

#include "collectors/base/self.h"

/* Are sampled calls to be timed? False before the start. */
extern HIDDEN bool allocator_timed;

/* [lo, hi) of an allocator of its own, or hi = 0: libc's. Sampled calls are to be timed from now
 * on. Constructor only. */
void allocator_start(uintptr_t lo, uintptr_t hi);
/* No call is timed from now on, for good. */
void allocator_stop(void);

/* Before and after a real call that is sampled. */
COLD void allocator_enter(void);
COLD void allocator_leave(void);
/* After both: if it waited, its wait counts for as many as an object of `size` sampled at `rate`.
 */
COLD void allocator_count(uint64_t size, uint64_t rate);

#endif
