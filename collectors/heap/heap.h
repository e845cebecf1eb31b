/* SPDX-License-Identifier: MIT
 *
 * The heap and allocs profiles: which allocations are sampled, what is recorded of them, when they
 * leave. Called by preload/hooks/hook_alloc.c, hook_cxx.c and hook_mallocx.c inside malloc and
 * free. SIGNAL_SAFE in the sense that a signal handler of the program which allocates in the middle
 * of these functions (POSIX forbids it) does no harm.
 */
#ifndef COLLECTORS_HEAP_H
#define COLLECTORS_HEAP_H

#include "collectors/base/self.h"
#include "collectors/collector.h"
#include "collectors/heap/live.h"
#include "collectors/snapshot.h"
#include "collectors/tables/table.h"
#include "collectors/waits/allocator.h"

/* ---- the unsampled path: a countdown, and a bit ---- */

/* Takes n bytes off the thread's countdown to the next sample point. True: the countdown does not
 * reach that far, nothing was taken off, and the slow path must ask heap_wants(). */
HOT static inline bool heap_countdown(size_t n)
{
    uint64_t left = self.heap_left;
    if (UNLIKELY(n >= left)) {
        return true;
    }
    self.heap_left = left - n;
    return false;
}

/* ---- the sampled path ---- */

/* Keeps heap and allocs, two views of one table. */
enum { HEAP_PART = 1 };
extern const struct collector heap_collector;

/* Heap or allocs is kept, and the program's calls of malloc come to this library. */
bool heap_is_kept(void);

/* The rate in force: mean bytes between samples, 0 = off, 1 = all. */
uint64_t heap_rate(void);
/* Sets another rate; does nothing where neither heap nor allocs is kept. The calling thread is
 * sampled by it at once, other threads from the end of their present gap on: the object that ends
 * the gap still counts by the rate at which the gap was drawn. */
void heap_set_rate(uint64_t rate);

/* After heap_countdown() said true: is this allocation of n bytes sampled? Seeds a new thread's
 * generator. Draws the next gap, also where the answer is no because the profiler itself allocates.
 */
COLD bool heap_wants(size_t n);

/* Around the real function of a sampled call: what that function allocates itself is not sampled.
 */
static inline void heap_enter(void)
{
    self.depth++;
    if (allocator_timed) {
        allocator_enter();
    }
}
static inline void heap_leave(void)
{
    if (allocator_timed) {
        allocator_leave();
    }
    self.depth--;
}

/* Records a sampled allocation of n bytes at p, with the stack that called into this library.
 * Leaves errno alone. */
COLD void heap_allocated(void *p, size_t n);

/* Before the real free or realloc of p, for which live_maybe(p) is true: takes p's record out of
 * the table, if there is one. True: *object is that record. It has to be before: as soon as the
 * real free has the block, another thread may be given the same address. */
COLD bool heap_freed(void *p, struct live_object *object);

/* After heap_leave(), where heap_freed() said true and the real call was a free: counts the wait
 * that the call had for the allocator's lock, if any. */
static inline void heap_free_ends(const struct live_object *object)
{
    if (allocator_timed) {
        allocator_count(object->size, object->bucket->key[1]);
    }
}

/* The real realloc failed, so the object that heap_freed() took out is live after all: enters it
 * again.
 */
COLD void heap_unfreed(const struct live_object *object);

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t heap_snapshot(struct snapshot_sample **out, size_t *bytes);

#endif
