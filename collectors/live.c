/* SPDX-License-Identifier: MIT
 *
 * See live.h. The locked half: entered for sampled objects, and for the few pointers that share
 * both hash bits with one. Locks: the shard's (rank live). A signal handler that interrupted a
 * shard's owner on the same thread cannot get it and gives up after a bounded wait.
 */
#include "collectors/live.h"

#include "collectors/base/lock.h"

enum {
    SHARDS = 1 << LIVE_SHARD_BITS,
    SHARD_FIRST = 64,   /* slots; a power of two */
    PATIENCE = 1 << 16, /* pauses, some milliseconds: a holder needs tens of nanoseconds */
    STICKY = 255,
};

struct slots {
    uint64_t mask; /* slots − 1 */
    struct live_object slot[];
};

struct shard {
    struct lock lock;
    uint32_t count;
    struct slots *slots; /* NULL = none yet; swapped as a whole */
} __attribute__((aligned(CACHE_LINE)));

uint64_t live_near[1 << (LIVE_NEAR_BITS - 6)] __attribute__((aligned(CACHE_LINE)));
static uint64_t live_far[1 << (LIVE_FAR_BITS - 6)] __attribute__((aligned(CACHE_LINE)));
static uint8_t near_count[1 << LIVE_NEAR_BITS]; /* pointers behind each bit; STICKY: for good */
static uint8_t far_count[1 << LIVE_FAR_BITS];
static struct shard shards[SHARDS];

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
static uint64_t home(const struct slots *t, uintptr_t address)
{
    uint64_t h = live_hash((const void *)address); /* NOLINT: a key, not dereferenced */
    return h << LIVE_SHARD_BITS >> 24 & t->mask;
}

/* The slot of the address, or the empty one where it would go. */
static uint64_t slot_find(const struct slots *t, uintptr_t address)
{
    uint64_t i = home(t, address);
    while (t->slot[i].address && t->slot[i].address != address) {
        i = (i + 1) & t->mask;
    }
    return i;
}

static size_t slots_bytes(uint64_t slots)
{
    return sizeof(struct slots) + slots * sizeof(struct live_object);
}

/* Another table of that many slots, with all that is in the present one; the shard keeps the
 * present one if there is no memory. */
static bool shard_rebuild(struct shard *s, uint64_t slots)
{
    struct slots *old = s->slots;
    struct slots *fresh = sys_map(slots_bytes(slots));
    if (!fresh) {
        return false;
    }
    fresh->mask = slots - 1;
    s->count = 0;
    for (uint64_t i = 0; old && i <= old->mask; i++) {
        const struct live_object *o = &old->slot[i];
        uint64_t to = slot_find(fresh, o->address);
        /* A child may find an object twice, or half of one: see live_fork_child. */
        if (o->address && o->bucket && !fresh->slot[to].address) {
            fresh->slot[to] = *o;
            s->count++;
        }
    }
    STORE_RELEASE(&s->slots, fresh);
    if (old) {
        sys_unmap(old, slots_bytes(old->mask + 1));
    }
    return true;
}

static void slot_clear(struct slots *t, uint64_t hole)
{
    for (uint64_t i = (hole + 1) & t->mask; t->slot[i].address; i = (i + 1) & t->mask) {
        uint64_t wants = home(t, t->slot[i].address);
        if (((i - wants) & t->mask) >= ((i - hole) & t->mask)) { /* home is not past the hole */
            t->slot[hole] = t->slot[i];
            hole = i;
        }
    }
    t->slot[hole] = (struct live_object){0, 0, NULL};
}

/* Room for one more; also when there is no memory, as long as one slot stays empty. */
static bool shard_has_room(struct shard *s)
{
    struct slots *t = s->slots;
    if (!t) {
        return shard_rebuild(s, SHARD_FIRST);
    }
    return s->count < t->mask / 4 * 3 || shard_rebuild(s, (t->mask + 1) * 2) || s->count < t->mask;
}

static bool shard_lock(struct shard *s, bool nested)
{
    if (nested) {
        return lock_try_for(&s->lock, PATIENCE);
    }
    lock_take(&s->lock);
    return true;
}

bool live_insert(const struct live_object *object, struct live_object *stale, bool nested)
{
    uint64_t hash = live_hash((const void *)object->address); /* NOLINT: a key */
    struct shard *s = shard_of(hash);
    stale->address = 0;
    if (!shard_lock(s, nested)) {
        return false;
    }
    bool room = shard_has_room(s);
    if (room) {
        uint64_t i = slot_find(s->slots, object->address);
        if (s->slots->slot[i].address) {
            *stale = s->slots->slot[i];
        } else {
            s->count++;
            bit_add(live_near, near_count, hash >> (64 - LIVE_NEAR_BITS));
            bit_add(live_far, far_count, hash >> (64 - LIVE_FAR_BITS));
        }
        s->slots->slot[i] = *object;
    }
    lock_drop(&s->lock);
    return room;
}

bool live_remove(const void *p, struct live_object *out, bool nested)
{
    uint64_t hash = live_hash(p);
    struct shard *s = shard_of(hash);
    if (!shard_lock(s, nested)) {
        return false;
    }
    uint64_t i = s->slots ? slot_find(s->slots, (uintptr_t)p) : 0;
    bool found = s->slots && s->slots->slot[i].address;
    if (found) {
        *out = s->slots->slot[i];
        slot_clear(s->slots, i);
        s->count--;
        bit_drop(live_near, near_count, hash >> (64 - LIVE_NEAR_BITS));
        bit_drop(live_far, far_count, hash >> (64 - LIVE_FAR_BITS));
    }
    lock_drop(&s->lock);
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

/* Bits first i to first i + n of one map, as many as the shard's objects make them. */
static void bits_recount(const struct shard *s, uint64_t *bits, uint8_t *count, int map_bits)
{
    uint64_t n = 1ULL << (map_bits - LIVE_SHARD_BITS);
    uint64_t first = (uint64_t)(s - shards) * n;
    for (uint64_t i = first; i < first + n; i++) {
        if (count[i] != STICKY) {
            count[i] = 0;
            STORE(&bits[i >> 6], bits[i >> 6] & ~(1ULL << (i & 63)));
        }
    }
    for (uint64_t i = 0; s->slots && i <= s->slots->mask; i++) {
        uintptr_t address = s->slots->slot[i].address;
        if (address) {
            bit_add(bits, count, live_hash((const void *)address) >> (64 - map_bits)); /* NOLINT */
        }
    }
}

void live_fork_child(void)
{
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &shards[i];
        if (!LOAD(&s->lock.taken)) {
            continue;
        }
        if (s->slots && shard_rebuild(s, s->slots->mask + 1)) {
            bits_recount(s, live_near, near_count, LIVE_NEAR_BITS);
            bits_recount(s, live_far, far_count, LIVE_FAR_BITS);
        }
        lock_drop(&s->lock);
    }
}
