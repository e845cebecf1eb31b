/* SPDX-License-Identifier: MIT
 *
 * Dense ids: 64-bit keys become 1, 2, 3 ... in the order in which they are first seen, and each id
 * remembers one word. model.c keeps its locations and its strings in such tables. It looks up a
 * location for every frame of every sample, so the look-up is inline. An open hash table in memory
 * from sys_map; one thread at a time, no lock.
 */
#ifndef ENCODER_IDS_H
#define ENCODER_IDS_H

#include "encoder/buffer.h"

struct ids_slot {
    uint64_t key;
    uint32_t id; /* 0: empty */
};

struct ids {
    struct ids_slot *slot;
    unsigned bits;        /* 1 << bits slots, at most half of them taken */
    uint32_t count;       /* ids 1 to count are given */
    struct buffer memory; /* of the slots */
    struct buffer items;  /* uint64_t[count + 1] */
};

/* False when there is no memory; then ids_close may be called, ids_of may not. */
MUST_CHECK bool ids_open(struct ids *t);
void ids_close(struct ids *t);

/* Gives a key of which ids_of has found no slot the next id; slot is where the search ended. 0: no
 * memory. */
COLD uint32_t ids_add(struct ids *t, size_t slot, uint64_t key, uint64_t item);

/* Fibonacci hashing: the factor is 2^64 divided by the golden ratio. It spreads neighbouring keys,
 * as program counters are, over the top bits. */
static inline size_t ids_hash(const struct ids *t, uint64_t key)
{
    return (size_t)(key * 0x9E3779B97F4A7C15ULL >> (64 - t->bits));
}

/* The id of key; a new key gets the next one, and item is what it remembers. 0: no memory. */
static inline uint32_t ids_of(struct ids *t, uint64_t key, uint64_t item)
{
    size_t mask = ((size_t)1 << t->bits) - 1;
    for (size_t i = ids_hash(t, key);; i = (i + 1) & mask) {
        const struct ids_slot *slot = &t->slot[i];
        if (slot->id == 0) {
            return ids_add(t, i, key, item);
        }
        if (slot->key == key) {
            return slot->id;
        }
    }
}

/* The word that an id of 1 to count remembers. */
static inline uint64_t ids_item(const struct ids *t, uint32_t id)
{
    return ((const uint64_t *)t->items.at)[id];
}

#endif
