/* SPDX-License-Identifier: MIT
 *
 * The writing half of rules_table.h. SIGNAL_SAFE throughout: no lock, no system call.
 */
#include "collectors/stacks/rules_table.h"

struct rules_group rules_table[TABLE_GROUPS];
uint32_t rules_table_mask = TABLE_GROUPS_MIN * TABLE_WAYS - 1;
uint32_t rules_table_epoch;

/* How many rules of the current generation were overwritten since the table last grew. */
static uint32_t evictions;

struct rules_entry *rules_table_find(uintptr_t pc, uint64_t key, uint32_t mask)
{
    struct rules_group *g = rules_table_group_of(pc, mask);
    for (uint32_t i = 0; i < TABLE_WAYS; i++) {
        struct rules_entry *e = &g->way[(pc + i) % TABLE_WAYS];
        if (LOAD(&e->key) == key) {
            return e;
        }
    }
    return NULL;
}

/* Doubles the part of the table in use, if one rule in 32 entries was overwritten. Half of the
 * rules are in the group where the larger table looks for them; the other half are asked for again.
 */
static void grow_if_crowded(uint32_t mask)
{
    uint32_t entries = mask + 1;
    if (ADD(&evictions, 1) >= entries / TABLE_WAYS / 8 && entries < TABLE_GROUPS * TABLE_WAYS &&
        CAS(&rules_table_mask, &mask, entries * 2 - 1)) {
        STORE(&evictions, 0);
    }
}

/* Whether the entry with key k in the group of `key` is of no use: empty, of another generation, or
 * put there when the table was smaller, so that its pc is now looked for elsewhere. */
static bool is_stale(uint64_t k, uint64_t key, uint32_t mask)
{
    return k != ENTRY_BUSY && (k >> KEY_PC_BITS != key >> KEY_PC_BITS ||
                               ((k ^ key) & mask & ~(uint32_t)(TABLE_WAYS - 1)) != 0);
}

/* The entry that an insertion overwrites: that of the same pc, else the first stale one (beginning
 * at home), else one of the four in turn. *seen: its key. NULL: it is being written. */
static struct rules_entry *victim(uintptr_t pc, uint64_t key, uint32_t mask, uint64_t *seen)
{
    static uint32_t turn;
    struct rules_group *g = rules_table_group_of(pc, mask);
    struct rules_entry *stale = NULL;
    for (uint32_t i = 0; i < TABLE_WAYS; i++) {
        struct rules_entry *e = &g->way[(pc + i) % TABLE_WAYS];
        uint64_t k = LOAD(&e->key);
        if (k == key) {
            *seen = k;
            return e;
        }
        if (!stale && is_stale(k, key, mask)) {
            stale = e;
            *seen = k;
        }
    }
    if (stale) {
        return stale;
    }
    grow_if_crowded(mask);
    struct rules_entry *e = &g->way[ADD(&turn, 1) % TABLE_WAYS];
    *seen = LOAD(&e->key);
    return *seen == ENTRY_BUSY ? NULL : e;
}

void rules_table_put(uintptr_t pc, uint32_t generation, struct rule r)
{
    uint64_t key = rules_table_key(pc, generation);
    uint64_t seen = 0;
    uint32_t mask = LOAD(&rules_table_mask);
    struct rules_entry *e = victim(pc, key, mask, &seen);
    if (!e || !CAS(&e->key, &seen, ENTRY_BUSY)) {
        return;
    }
    __atomic_thread_fence(__ATOMIC_RELEASE); /* no thread sees the rule before the busy key */
    struct rule_bits rule = rule_bits_of(r);
    STORE(&e->shape, rule.shape);
    STORE(&e->caller, 0);
    STORE(&e->cfa_offset, rule.cfa_offset);
    /* If the generation has changed meanwhile, the entry stays empty: the table may have been
     * cleared since, and 65,536 generations later the rule would be taken for a new one. */
    STORE_RELEASE(&e->key, rules_generation() == generation ? key : 0);
}

/* Several threads may clear the table at once: the effect is the same. */
void rules_table_clear_for(uint32_t generation)
{
    uint32_t epoch = LOAD_ACQUIRE(&rules_table_epoch);
    if ((int16_t)(uint16_t)((generation >> 16) - epoch) <= 0) {
        return; /* a walk that began before the last clear: its keys match only rules of its time */
    }
    for (int i = 0; i < TABLE_GROUPS; i++) {
        for (int way = 0; way < TABLE_WAYS; way++) {
            uint64_t *key = &rules_table[i].way[way].key;
            uint64_t seen = LOAD(key);
            if (seen != 0 && seen != ENTRY_BUSY) { /* do not touch pages that were never used */
                (void)CAS(key, &seen, 0);
            }
        }
    }
    (void)CAS(&rules_table_epoch, &epoch, generation >> 16);
}
