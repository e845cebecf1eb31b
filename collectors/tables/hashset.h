/* SPDX-License-Identifier: MIT
 *
 * The lock-free set under the stack store and the bucket tables. It grows; nodes are never removed
 * or moved. A set is a chain of open-addressed levels, each four times the size of the one before.
 * Look-ups go through all levels, newest first; insertions go into the newest. A slot changes once,
 * from 0 to a node, by compare-and-swap. So a signal handler may insert while it interrupts an
 * insertion of its own thread, and the scribe may read while threads write. Two threads that insert
 * the same key while the set grows can put equal nodes into two levels: readers must accept two
 * nodes of one key, as a sum of counters does. SIGNAL_SAFE.
 */
#ifndef COLLECTORS_HASHSET_H
#define COLLECTORS_HASHSET_H

#include "collectors/base/arch/arch.h"

struct hashset_level {
    struct hashset_level *older;
    uint64_t mask; /* slots − 1 */
    uint64_t used;
    uint64_t slot[]; /* 0, or a node's address with the high bits of its hash above it */
};

struct hashset {
    struct hashset_level *newest;
};

#define HASHSET_TAG_SHIFT ARCH_ADDRESS_BITS

static inline void *hashset_node(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & ARCH_ADDRESS_MASK); /* NOLINT: an address */
}

/* Puts a level four times the size of `full` on top of it (NULL: the first level), unless another
 * thread has just done so. False: no memory. */
SIGNAL_SAFE bool hashset_grow(struct hashset *set, struct hashset_level *full);

/* Finds the node for which equal(node, key) holds, or puts in the one that make(key) returns (NULL
 * = no memory). make is called at most once. NULL: no room. hash: of the key; its low bits choose
 * the slot, its bits above HASHSET_TAG_SHIFT are compared before equal() is called. */
static inline __attribute__((always_inline)) void *
hashset_find_or_add(struct hashset *set, uint64_t hash, const void *key,
                    bool (*equal)(const void *node, const void *key),
                    void *(*make)(const void *key))
{
    void *made = NULL;
    for (;;) {
        struct hashset_level *top = LOAD_ACQUIRE(&set->newest);
        for (struct hashset_level *l = top; l; l = l->older) {
            for (uint64_t i = hash & l->mask;; i = (i + 1) & l->mask) {
                uint64_t slot = LOAD_ACQUIRE(&l->slot[i]);
                if (slot == 0) {
                    break;
                }
                if (slot >> HASHSET_TAG_SHIFT == hash >> HASHSET_TAG_SHIFT &&
                    equal(hashset_node(slot), key)) {
                    return hashset_node(slot);
                }
            }
        }
        if (!top || LOAD(&top->used) > top->mask / 4 * 3) {
            if (hashset_grow(set, top)) {
                continue;
            }
            if (!top || LOAD(&top->used) > top->mask / 8 * 7) {
                return NULL; /* no memory to grow; empty slots must be left, where searches end */
            }
        }
        made = made ? made : make(key);
        if (!made) {
            return NULL;
        }
        uint64_t word = (uint64_t)(uintptr_t)made | (hash & ~ARCH_ADDRESS_MASK);
        uint64_t seen = 0;
        for (uint64_t i = hash & top->mask;; i = (i + 1) & top->mask, seen = 0) {
            if (CAS(&top->slot[i], &seen, word)) {
                ADD(&top->used, 1);
                return made;
            }
            if (seen >> HASHSET_TAG_SHIFT == hash >> HASHSET_TAG_SHIFT &&
                equal(hashset_node(seen), key)) {
                return hashset_node(seen); /* another thread was first; the node made is wasted */
            }
        }
    }
}

/* Calls visit(node, arg) on every node there is. */
static inline void hashset_each(const struct hashset *set, void (*visit)(void *node, void *arg),
                                void *arg)
{
    for (struct hashset_level *l = LOAD_ACQUIRE(&set->newest); l; l = l->older) {
        for (uint64_t i = 0; i <= l->mask; i++) {
            uint64_t slot = LOAD_ACQUIRE(&l->slot[i]);
            if (slot) {
                visit(hashset_node(slot), arg);
            }
        }
    }
}

/* How many nodes there are, at least. */
static inline uint64_t hashset_count(const struct hashset *set)
{
    uint64_t n = 0;
    for (struct hashset_level *l = LOAD_ACQUIRE(&set->newest); l; l = l->older) {
        n += LOAD(&l->used);
    }
    return n;
}

#endif
