/* SPDX-License-Identifier: MIT
 *
 * The heap and allocs profiles: which allocations are sampled, what is recorded of them, when they
 * leave. preload/hooks/hook_alloc.c and hook_cxx.c call it; SIGNAL_SAFE in the sense that a handler
 * which allocates in the middle of it (which is the program's own error) does no harm.
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

/* Counts an allocation of n bytes. True: it is not counted, and the slow path must decide with
 * heap_wants(). */
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

/* The rate in force: mean bytes between samples, 0 = off, 1 = all. */
uint64_t heap_rate(void);
/* Another rate; nothing where neither heap nor allocs is kept. The calling thread is sampled by it
 * at once, the others from the end of the gap that they are in: what ends it still counts by the
 * rate at which it was drawn. */
void heap_set_rate(uint64_t rate);

/* After heap_countdown() said so: is this allocation sampled? Seeds a new thread, and draws the
 * next gap also where the answer is no because the profiler itself allocates. */
COLD bool heap_wants(size_t n);

/* The calls around the real function: nothing it calls meanwhile is sampled again. */
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

/* Records a sampled allocation, with the stack that called into this library. Leaves errno alone.
 */
COLD void heap_allocated(void *p, size_t n);

/* Before the real free or realloc of p, for which live_maybe(p) is true: takes its record out, if
 * it has one. True: *object is what left. */
COLD bool heap_freed(void *p, struct live_object *object);

/* After heap_leave(), where heap_freed() said true and the real call is a free: had it to wait? */
static inline void heap_free_ends(const struct live_object *object)
{
    if (allocator_timed) {
        allocator_count(object->size, object->bucket->key[1]);
    }
}

/* The real realloc failed: what heap_freed() took out is live after all. */
COLD void heap_unfreed(const struct live_object *object);

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t heap_snapshot(struct snapshot_sample **out, size_t *bytes);

#endif
