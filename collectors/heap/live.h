/* SPDX-License-Identifier: MIT
 *
 * Which live pointers are sampled objects. free() must learn at almost no cost that its pointer is
 * not one: a bitmap of 2 KiB, hashed by address, says "certainly not" (one multiplication, one
 * load); behind it, a bitmap of 256 KiB filters what the small one lets through once it fills up
 * (some hundred live samples); behind that is the exact table, in 256 shards with a lock each
 * (LOCK_LIVE). The bits of both maps belong to the shards by address, so that a shard's lock guards
 * them and a bit can be cleared when the last pointer that set it leaves.
 *
 * Works with every allocator: nothing is assumed of a pointer but that it is unique while live.
 */
#ifndef COLLECTORS_LIVE_H
#define COLLECTORS_LIVE_H

#include "collectors/base/hash.h"

struct bucket;

/* A live sampled object. */
struct live_object {
    uintptr_t address; /* 0 = none */
    uint64_t size;     /* as requested */
    struct bucket *bucket;
};

enum { LIVE_SHARD_BITS = 8, LIVE_NEAR_BITS = 14, LIVE_FAR_BITS = 21 };

extern HIDDEN uint64_t live_near[1 << (LIVE_NEAR_BITS - 6)];

/* Half of the address is enough for the near map, and costs free() an instruction less. The first
 * bits name the shard. */
static inline uint32_t live_near_bit(const void *p)
{
    return hash_bits((uint32_t)(uintptr_t)p, LIVE_NEAR_BITS);
}

/* False: p is no sampled object. True: ask live_maybe_far(), then live_remove(). No lock, no access
 * to thread-local memory; SIGNAL_SAFE. */
static inline bool live_maybe(const void *p)
{
    uint32_t bit = live_near_bit(p);
    return LOAD(&live_near[bit >> 6]) >> (bit & 63) & 1;
}

SIGNAL_SAFE bool live_maybe_far(const void *p);

/* Enters an object. An older one of the same address, whose free was not seen, is replaced, and
 * handed back in *stale; else stale->address is 0. nested: a signal handler may be running that
 * interrupted one of these two functions on this very thread; then the wait for the lock is
 * bounded. False: no memory, or the lock was not to be had: the object is not followed. */
SIGNAL_SAFE bool live_insert(const struct live_object *object, struct live_object *stale,
                             bool nested);

/* Takes p out, into *out. False: it is not in the table, or, nested, the lock was not to be had. */
SIGNAL_SAFE bool live_remove(const void *p, struct live_object *out, bool nested);

/* Makes live_maybe() and live_maybe_far() true for p for good, without a record. */
void live_mark(const void *p);

/* In a forked child: repairs each shard that a thread of the parent was changing. (No lock is held
 * over the fork: libc takes locks of its own inside the fork handlers, and a thread that holds one
 * of those may be waiting for a shard.) */
void live_fork_child(void);

#endif
