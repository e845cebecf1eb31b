/* SPDX-License-Identifier: MIT
 *
 * Waits inside the program's allocator, for block and mutex, all under the one name
 * "[allocator lock]". An allocator that locks through libc (jemalloc) is seen like any other
 * waiter, and its waits are recognised by the address of the caller (contention_allocator_at()).
 * The locks of glibc's malloc are taken between its own functions, those of tcmalloc by system
 * calls of its own; so their waits are estimated from the sampled allocations and frees: a sampled
 * call that put its thread to sleep has waited, and stands for as many calls as the weight of its
 * size says.
 *
 * Called by collectors/heap/heap.h around the real malloc and free of sampled calls, in any thread,
 * before the constructor and after the destructor too. The sums are in contention_count.c. No
 * locks.
 */
#ifndef COLLECTORS_ALLOCATOR_H
#define COLLECTORS_ALLOCATOR_H

#include "collectors/base/self.h"

/* Are sampled calls to be timed? False before the start. */
extern HIDDEN bool allocator_timed;

/* [lo, hi): the code of an allocator other than libc's; hi = 0: it is libc's. Sampled calls are to
 * be timed from now on. Constructor only. */
void allocator_start(uintptr_t lo, uintptr_t hi);
/* No call is timed from now on, for good. */
void allocator_stop(void);

/* Before and after a real call that is sampled. */
COLD void allocator_enter(void);
COLD void allocator_leave(void);
/* After both: if the call waited, counts its wait as often as an object of `size` bytes, sampled at
 * `rate`, stands for. */
COLD void allocator_count(uint64_t size, uint64_t rate);

#endif
