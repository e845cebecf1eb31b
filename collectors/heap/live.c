/* SPDX-License-Identifier: MIT
 *
 * See live.h. The half with locks: called for sampled objects, and for the few pointers whose bits
 * in both maps are set by others. Locks: the shard's (LOCK_LIVE). A signal handler that has
 * interrupted the holder on the same thread cannot get the lock, and gives up after a bounded wait.
 */
#include "collectors/heap/live.h"

#include "collectors/base/lock_wait.h"

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
static uint8_t near_count[1 << LIVE_NEAR_BITS]; /* pointers that set each bit; STICKY: for good */
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

static uint64_t address_hash(uintptr_t address)
{
    return hash_high(address);
}

static uint64_t shard_index(uintptr_t address)
{
    return live_near_bit((const void *)address) >> (LIVE_NEAR_BITS - LIVE_SHARD_BITS); /* NOLINT */
}

/* A shard's bits in the far map are those whose index begins with the shard's number. */
static uint64_t far_bit(uintptr_t address)
{
    enum { WITHIN = LIVE_FAR_BITS - LIVE_SHARD_BITS };
    return shard_index(address) << WITHIN | address_hash(address) >> (64 - WITHIN);
}

bool live_maybe_far(const void *p)
{
    uint64_t bit = far_bit((uintptr_t)p);
    return LOAD(&live_far[bit >> 6]) >> (bit & 63) & 1;
}

static void bits_add(uintptr_t address)
{
    bit_add(live_near, near_count, live_near_bit((const void *)address)); /* NOLINT: a key */
    bit_add(live_far, far_count, far_bit(address));
}

static void bits_drop(uintptr_t address)
{
    bit_drop(live_near, near_count, live_near_bit((const void *)address)); /* NOLINT: a key */
    bit_drop(live_far, far_count, far_bit(address));
}

/* ---- the exact table: linear probing, deletion by shifting back ---- */

static struct shard *shard_of(uintptr_t address)
{
    return &shards[shard_index(address)];
}

/* Where an address wants to be. */
static uint64_t home(const struct slots *t, uintptr_t address)
{
    return address_hash(address) >> 24 & t->mask;
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

/* Replaces the shard's table by one of so many slots with the same objects. False: no memory, and
 * nothing has changed. */
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
        /* live_fork_child() may find an object twice, or one that is half written. */
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
        if (((i - wants) & t->mask) >= ((i - hole) & t->mask)) { /* home is not behind the hole */
            t->slot[hole] = t->slot[i];
            hole = i;
        }
    }
    t->slot[hole] = (struct live_object){0, 0, NULL};
}

/* Is there room for one more object? Without memory to grow, as long as one slot stays empty: it
 * ends every search. */
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
        return lock_try_for(&s->lock, LOCK_LIVE, PATIENCE);
    }
    lock_take(&s->lock, LOCK_LIVE);
    return true;
}

bool live_insert(const struct live_object *object, struct live_object *stale, bool nested)
{
    struct shard *s = shard_of(object->address);
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
            bits_add(object->address);
        }
        s->slots->slot[i] = *object;
    }
    lock_drop(&s->lock);
    return room;
}

bool live_remove(const void *p, struct live_object *out, bool nested)
{
    struct shard *s = shard_of((uintptr_t)p);
    if (!shard_lock(s, nested)) {
        return false;
    }
    uint64_t i = s->slots ? slot_find(s->slots, (uintptr_t)p) : 0;
    bool found = s->slots && s->slots->slot[i].address;
    if (found) {
        *out = s->slots->slot[i];
        slot_clear(s->slots, i);
        s->count--;
        bits_drop((uintptr_t)p);
    }
    lock_drop(&s->lock);
    return found;
}

void live_mark(const void *p)
{
    struct shard *s = shard_of((uintptr_t)p);
    lock_take(&s->lock, LOCK_LIVE);
    near_count[live_near_bit(p)] = STICKY;
    far_count[far_bit((uintptr_t)p)] = STICKY;
    bits_add((uintptr_t)p);
    lock_drop(&s->lock);
}

/* Clears the shard's bits in one map, except those that were marked for good. */
static void bits_clear(const struct shard *s, uint64_t *bits, uint8_t *count, int map_bits)
{
    uint64_t n = 1ULL << (map_bits - LIVE_SHARD_BITS);
    uint64_t first = (uint64_t)(s - shards) * n;
    for (uint64_t i = first; i < first + n; i++) {
        if (count[i] != STICKY) {
            count[i] = 0;
            STORE(&bits[i >> 6], bits[i >> 6] & ~(1ULL << (i & 63)));
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
            bits_clear(s, live_near, near_count, LIVE_NEAR_BITS);
            bits_clear(s, live_far, far_count, LIVE_FAR_BITS);
            for (uint64_t k = 0; k <= s->slots->mask; k++) {
                if (s->slots->slot[k].address) {
                    bits_add(s->slots->slot[k].address);
                }
            }
        }
        lock_drop(&s->lock);
    }
}
