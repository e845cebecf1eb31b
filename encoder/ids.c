/* SPDX-License-Identifier: MIT
 *
 * See ids.h: the half that allocates.
 */
#include "encoder/ids.h"

enum { IDS_FIRST_BITS = 12 };

static bool slots_of_size(struct buffer *memory, unsigned bits)
{
    return buffer_reserve(memory, sizeof(struct ids_slot) << bits);
}

bool ids_open(struct ids *t)
{
    *t = (struct ids){.bits = IDS_FIRST_BITS};
    if (!slots_of_size(&t->memory, t->bits)) {
        return false;
    }
    t->slot = t->memory.at;
    return true;
}

void ids_close(struct ids *t)
{
    buffer_free(&t->memory);
    buffer_free(&t->items);
    *t = (struct ids){0};
}

static size_t find_empty(const struct ids *t, uint64_t key)
{
    size_t mask = ((size_t)1 << t->bits) - 1;
    size_t i = ids_hash(t, key);
    while (t->slot[i].id) {
        i = (i + 1) & mask;
    }
    return i;
}

static bool ids_grow(struct ids *t)
{
    struct ids bigger = *t;
    bigger.bits++;
    bigger.memory = (struct buffer){0};
    if (!slots_of_size(&bigger.memory, bigger.bits)) {
        return false;
    }
    bigger.slot = bigger.memory.at;
    for (size_t i = 0; i < (size_t)1 << t->bits; i++) {
        if (t->slot[i].id) {
            bigger.slot[find_empty(&bigger, t->slot[i].key)] = t->slot[i];
        }
    }
    buffer_free(&t->memory);
    *t = bigger;
    return true;
}

uint32_t ids_add(struct ids *t, size_t slot, uint64_t key, uint64_t item)
{
    uint32_t id = t->count + 1;
    if (id == UINT32_MAX || !buffer_reserve(&t->items, (id + 1ULL) * sizeof(uint64_t))) {
        return 0;
    }
    /* At least half of the slots stay empty: a search for an unknown key then looks at 2.5 slots on
     * average, (1 + 1/(1 − ½)²)/2 with linear probing. */
    if (id * 2ULL > 1ULL << t->bits) {
        if (!ids_grow(t)) {
            return 0;
        }
        slot = find_empty(t, key);
    }
    t->slot[slot] = (struct ids_slot){key, id};
    ((uint64_t *)t->items.at)[id] = item;
    t->count = id;
    return id;
}
