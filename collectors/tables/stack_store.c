/* SPDX-License-Identifier: MIT
 *
 * See stack_store.h: a hashset of stacks, whose memory comes from the arena.
 */
#include "collectors/tables/stack_store.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/tables/hashset.h"

#include <string.h>

static struct hashset stacks;

struct key {
    uint64_t hash;
    const uintptr_t *pc;
    uint32_t depth;
};

static bool stack_equal(const void *node, const void *key)
{
    const struct stack *s = node;
    const struct key *k = key;
    return s->hash == k->hash && s->depth == k->depth &&
           memcmp(s->pc, k->pc, k->depth * sizeof k->pc[0]) == 0;
}

static void *stack_make(const void *key)
{
    const struct key *k = key;
    struct stack *s = arena_alloc(sizeof *s + k->depth * sizeof k->pc[0]);
    if (s) {
        s->hash = k->hash;
        s->depth = k->depth;
        memcpy(s->pc, k->pc, k->depth * sizeof k->pc[0]);
    }
    return s;
}

static inline uint64_t mix(uint64_t h, uint64_t v)
{
    h = hash_high(h ^ v);
    return h ^ h >> 32;
}

/* Two hashes, of every other pc, so that two multiplications run at the same time: each waits for
 * the one before, and at depth 100 a single chain of them took longer than the walk. */
static uint64_t hash_of(const uintptr_t *pcs, int depth)
{
    uint64_t even = (uint64_t)depth;
    uint64_t odd = 0;
    int i = 0;
    for (; i + 1 < depth; i += 2) {
        even = mix(even, pcs[i]);
        odd = mix(odd, pcs[i + 1]);
    }
    if (i < depth) {
        even = mix(even, pcs[i]);
    }
    uint64_t h = mix(even, odd) * 0xd6e8feb86659fd93ULL;
    return h ^ h >> 32; /* hashset.h uses the high bits and the low ones */
}

const struct stack *stack_keep(const uintptr_t *pcs, int depth)
{
    uint64_t h = hash_of(pcs, depth);
    struct key key = {h, pcs, (uint32_t)depth};
    return hashset_find_or_add(&stacks, h, &key, stack_equal, stack_make);
}

bool stack_any(void)
{
    return LOAD(&stacks.newest) != NULL;
}

const struct stack *stack_pseudo(enum pseudo_pc pc)
{
    /* A flexible array cannot be initialised in an array of structures: the same layout by hand. */
    static struct {
        uint64_t hash;
        uint32_t depth, heap_sizes;
        uintptr_t pc[1];
    } pseudo[PSEUDO_PC_LIMIT];
    _Static_assert(offsetof(struct stack, pc) == 16, "the layout above");
    pseudo[pc].depth = 1;
    pseudo[pc].pc[0] = pc;
    return (const struct stack *)(const void *)&pseudo[pc];
}
