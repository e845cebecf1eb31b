/* SPDX-License-Identifier: MIT
 *
 * See live.h. The locked half: entered for sampled objects, and for the few pointers that share
 * both hash bits with one. Locks: the shard's (rank live). A signal handler that interrupted a
 * shard's owner on the same thread cannot get it and gives up after a bounded wait.
 */
#include "collectors/live.h"

#include "collectors/base/lock.h"
#include "collectors/base/self.h"

enum {
    SHARDS = 1 << LIVE_SHARD_BITS,
    SHARD_FIRST = 64,   /* slots; a power of two */
    PATIENCE = 1 << 16, /* pauses, some milliseconds: a holder needs tens of nanoseconds */
    STICKY = 255,
};

struct shard {
    struct lock lock;
    bool held_by_fork;
    uint32_t count;
    uint64_t mask; /* slots − 1; 0 = none yet */
    struct live_object *slot;
} __attribute__((aligned(CACHE_LINE)));

uint64_t live_near[1 << (LIVE_NEAR_BITS - 6)] __attribute__((aligned(CACHE_LINE)));
static uint64_t live_far[1 << (LIVE_FAR_BITS - 6)] __attribute__((aligned(CACHE_LINE)));
static uint8_t near_count[1 << LIVE_NEAR_BITS]; /* pointers behind each bit; STICKY: for good */
static uint8_t far_count[1 << LIVE_FAR_BITS];
static struct shard shards[SHARDS];
static bool fork_in_progress;

_Static_assert(LIVE_NEAR_BITS - LIVE_SHARD_BITS >= 6, "a word of bits belongs to one shard");

/* ---- the bitmaps ---- */

static void bit_add(uint64_t *bits, uint8_t *count, uint64_t i)
{
    if (count[i] < STICKY) {
        count[i]++;
    }
    STORE(&bits[i >> 6], bits[i >> 6] | 1ULL << (i & 63));
}

static void bit_drop(uint64_t *bits, uint8_t *count, uint64_t i)
{
    if (count[i] < STICKY && --count[i] == 0) {
        STORE(&bits[i >> 6], bits[i >> 6] & ~(1ULL << (i & 63)));
    }
}

bool live_maybe_far(const void *p)
{
    uint64_t bit = live_hash(p) >> (64 - LIVE_FAR_BITS);
    return LOAD(&live_far[bit >> 6]) >> (bit & 63) & 1;
}

/* ---- the exact table: linear probing, deletion by shifting back ---- */

static struct shard *shard_of(uint64_t hash)
{
    return &shards[hash >> (64 - LIVE_SHARD_BITS)];
}

/* Where an address wants to be: the bits of its hash below those that chose the shard. */
static uint64_t home(const struct shard *s, uintptr_t address)
{
    uint64_t h = live_hash((const void *)address); /* NOLINT: a key, not dereferenced */
    return h << LIVE_SHARD_BITS >> 24 & s->mask;
}

/* The slot of the address, or the empty one where it would go. */
static uint64_t slot_find(const struct shard *s, uintptr_t address)
{
    uint64_t i = home(s, address);
    while (s->slot[i].address && s->slot[i].address != address) {
        i = (i + 1) & s->mask;
    }
    return i;
}

static bool shard_grow(struct shard *s)
{
    struct shard bigger = *s;
    uint64_t slots = s->mask ? (s->mask + 1) * 2 : SHARD_FIRST;
    bigger.mask = slots - 1;
    bigger.slot = sys_map(slots * sizeof *s->slot);
    if (!bigger.slot) {
        return false;
    }
    for (uint64_t i = 0; s->mask && i <= s->mask; i++) {
        if (s->slot[i].address) {
            bigger.slot[slot_find(&bigger, s->slot[i].address)] = s->slot[i];
        }
    }
    if (s->mask) {
        sys_unmap(s->slot, (s->mask + 1) * sizeof *s->slot);
    }
    s->mask = bigger.mask;
    s->slot = bigger.slot;
    return true;
}

static void slot_clear(struct shard *s, uint64_t hole)
{
    for (uint64_t i = (hole + 1) & s->mask; s->slot[i].address; i = (i + 1) & s->mask) {
        uint64_t wants = home(s, s->slot[i].address);
        if (((i - wants) & s->mask) >= ((i - hole) & s->mask)) { /* its home is not past the hole */
            s->slot[hole] = s->slot[i];
            hole = i;
        }
    }
    s->slot[hole] = (struct live_object){0, 0, NULL};
}

/* Between the fork handlers this thread holds them all. Another thread waits for it with an end,
 * since the program's own fork handlers may wait for that thread. */
static bool shard_lock(struct shard *s, bool nested)
{
    if (UNLIKELY(self.fork_locked)) {
        return true;
    }
    while (!lock_try_for(&s->lock, PATIENCE)) {
        if (nested || LOAD(&fork_in_progress)) {
            return false;
        }
    }
    return true;
}

static void shard_unlock(struct shard *s)
{
    if (LIKELY(!self.fork_locked)) {
        lock_drop(&s->lock);
    }
}

bool live_insert(const struct live_object *object, struct live_object *stale, bool nested)
{
    uint64_t hash = live_hash((const void *)object->address); /* NOLINT: a key */
    struct shard *s = shard_of(hash);
    stale->address = 0;
    if (!shard_lock(s, nested)) {
        return false;
    }
    bool room = s->count < s->mask / 4 * 3 || shard_grow(s) || (s->mask && s->count < s->mask);
    if (room) {
        uint64_t i = slot_find(s, object->address);
        if (s->slot[i].address) {
            *stale = s->slot[i];
        } else {
            s->count++;
            bit_add(live_near, near_count, hash >> (64 - LIVE_NEAR_BITS));
            bit_add(live_far, far_count, hash >> (64 - LIVE_FAR_BITS));
        }
        s->slot[i] = *object;
    }
    shard_unlock(s);
    return room;
}

bool live_remove(const void *p, struct live_object *out, bool nested)
{
    uint64_t hash = live_hash(p);
    struct shard *s = shard_of(hash);
    if (!shard_lock(s, nested)) {
        return false;
    }
    uint64_t i = s->mask ? slot_find(s, (uintptr_t)p) : 0;
    bool found = s->mask && s->slot[i].address;
    if (found) {
        *out = s->slot[i];
        slot_clear(s, i);
        s->count--;
        bit_drop(live_near, near_count, hash >> (64 - LIVE_NEAR_BITS));
        bit_drop(live_far, far_count, hash >> (64 - LIVE_FAR_BITS));
    }
    shard_unlock(s);
    return found;
}

void live_mark(const void *p)
{
    uint64_t hash = live_hash(p);
    struct shard *s = shard_of(hash);
    lock_take(&s->lock);
    near_count[hash >> (64 - LIVE_NEAR_BITS)] = STICKY;
    far_count[hash >> (64 - LIVE_FAR_BITS)] = STICKY;
    bit_add(live_near, near_count, hash >> (64 - LIVE_NEAR_BITS));
    bit_add(live_far, far_count, hash >> (64 - LIVE_FAR_BITS));
    lock_drop(&s->lock);
}

void live_fork_prepare(void)
{
    STORE(&fork_in_progress, true);
    for (int i = 0; i < SHARDS; i++) {
        /* Not for ever: the holder may be this thread, below the handler that forks. */
        shards[i].held_by_fork = lock_try_for(&shards[i].lock, PATIENCE);
    }
    self.fork_locked = true;
}

void live_fork_done(void)
{
    self.fork_locked = false;
    for (int i = 0; i < SHARDS; i++) {
        if (shards[i].held_by_fork) {
            lock_drop(&shards[i].lock);
        }
    }
    STORE(&fork_in_progress, false);
}
