/* SPDX-License-Identifier: MIT
 *
 * The writing half of rules_table.h. SIGNAL_SAFE throughout: no lock, no system call.
 */
#include "collectors/stacks/rules_table.h"

struct rules_group rules_table[TABLE_GROUPS];
uint32_t rules_table_mask = TABLE_GROUPS_MIN * TABLE_WAYS - 1;
uint32_t rules_table_epoch;

/* Rules that were overwritten while they were still good, since the table last grew. */
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

/* Half of the rules are where the larger table looks for them; the other half are found again. */
static void grow_if_crowded(uint32_t mask)
{
    uint32_t entries = mask + 1;
    if (ADD(&evictions, 1) >= entries / TABLE_WAYS / 8 && entries < TABLE_GROUPS * TABLE_WAYS &&
        CAS(&rules_table_mask, &mask, entries * 2 - 1)) {
        STORE(&evictions, 0);
    }
}

/* Whether a key means nothing any more: empty, of another generation, or left here by a smaller
 * table. */
static bool is_stale(uint64_t k, uint64_t key, uint32_t mask)
{
    return k != ENTRY_BUSY && (k >> KEY_PC_BITS != key >> KEY_PC_BITS ||
                               ((k ^ key) & mask & ~(uint32_t)(TABLE_WAYS - 1)) != 0);
}

/* What an insertion overwrites: the same pc, else a stale entry, that at home before the others,
 * else one of the four in turn. */
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
    __atomic_thread_fence(__ATOMIC_RELEASE); /* nobody sees the rule before the busy key */
    struct rule_bits rule = rule_bits_of(r);
    STORE(&e->shape, rule.shape);
    STORE(&e->caller, 0);
    STORE(&e->cfa_offset, rule.cfa_offset);
    /* A writer that slept through 65,536 generations must not leave what a clear has missed. */
    STORE_RELEASE(&e->key, rules_generation() == generation ? key : 0);
}

/* Several threads may do this at once, all with the same effect. */
void rules_table_clear_for(uint32_t generation)
{
    uint32_t epoch = LOAD_ACQUIRE(&rules_table_epoch);
    if ((int16_t)(uint16_t)((generation >> 16) - epoch) <= 0) {
        return; /* an old walk: it finds nothing but rules that were true when it began */
    }
    for (int i = 0; i < TABLE_GROUPS; i++) {
        for (int way = 0; way < TABLE_WAYS; way++) {
            uint64_t *key = &rules_table[i].way[way].key;
            uint64_t seen = LOAD(key);
            if (seen != 0 && seen != ENTRY_BUSY) { /* untouched pages stay untouched */
                (void)CAS(key, &seen, 0);
            }
        }
    }
    (void)CAS(&rules_table_epoch, &epoch, generation >> 16);
}
