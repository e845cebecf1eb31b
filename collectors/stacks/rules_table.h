/* SPDX-License-Identifier: MIT
 *
 * What the unwinder has learnt: one table for the process, from a stored pc to its rule, in groups
 * of four entries that fill a cache line. No lock and no allocation anywhere, so that a handler may
 * interrupt a writer on the same thread at any instruction and still read and write.
 *
 * An entry is a small sequence lock of its own:
 *   writer: CAS key from what was there to ENTRY_BUSY; store the rule; store-release the new key.
 *   reader: load the key, load the rule, load the key again: equal to what is wanted both times
 *           means that the rule between them belongs to it.
 * A CAS that fails means that somebody else is writing there; the rule is then not remembered, and
 * will be found again. Two threads may enter the same pc twice: both entries say the same.
 *
 * A pc has one entry where it is looked for first; when that belongs to another, it is in the rest
 * of the group. A walk that finds its rules at home goes the same way through the code every time,
 * which is what the processor predicts.
 *
 * The key holds the low 16 bits of the generation (rules_generation) beside the pc, so forgetting
 * costs nothing: entries of older generations match nobody and are the first to be replaced. When
 * those 16 bits come round, the table is cleared before it is used again.
 */
#ifndef COLLECTORS_RULES_TABLE_H
#define COLLECTORS_RULES_TABLE_H

#include "collectors/stacks/rules.h"

/* The table starts with 32 KiB and doubles up to 1 MiB, when insertions overwrite what was still of
 * use: the memory it costs follows the code that is seen. It lies there from the beginning, unused
 * pages untouched. At its largest, 65,536 rules, 20,000 distinct pcs (a large compiler's) leave one
 * group in a hundred overfull. */
enum {
    TABLE_WAYS = 4,
    TABLE_GROUPS_MIN = 1 << 9,
    TABLE_GROUPS = 1 << 14,
};

#define ENTRY_BUSY 1ULL /* neither empty nor the key of any pc a program can execute */
#define KEY_PC_BITS ARCH_ADDRESS_BITS

/* A rule as the table holds it. */
struct rule_bits {
    uint16_t shape; /* kind, 3 bits | bp_saved, 1 bit | bp_offset in words, 12 bits signed */
    int32_t cfa_offset;
};
#define RULE_ABSENT 7 /* the kind of what the table does not have */
_Static_assert(RULE_NOWHERE < RULE_ABSENT, "three bits for the kind");

struct rules_entry {
    uint64_t key;   /* pc + generation << KEY_PC_BITS; 0 = empty */
    uint16_t shape; /* struct rule_bits */
    /* The index of the entry that a walk found its caller's rule in: where the next one looks
     * first, which spares it to wait for the return address. Not under the key's protection: what
     * is found there has a key of its own. 0 = not yet known. */
    uint16_t caller;
    int32_t cfa_offset;
};
_Static_assert(TABLE_GROUPS *TABLE_WAYS <= 1 << 16, "an index has 16 bits");

struct rules_group {
    struct rules_entry way[TABLE_WAYS];
} __attribute__((aligned(CACHE_LINE)));

_Static_assert(sizeof(struct rules_group) == CACHE_LINE, "a group is read with one cache miss");

extern struct rules_group rules_table[TABLE_GROUPS];
/* The entries in use, less one. */
extern uint32_t rules_table_mask;

static inline struct rule_bits rule_bits_of(struct rule r)
{
    return (struct rule_bits){
        (uint16_t)(r.kind | r.bp_saved << 3 | (uint32_t)(r.bp_offset / 8) << 4), r.cfa_offset};
}
static inline unsigned rule_kind_of(struct rule_bits rule)
{
    return rule.shape & 7;
}
static inline bool rule_bp_saved(struct rule_bits rule)
{
    return rule.shape & 8;
}
static inline intptr_t rule_bp_offset(struct rule_bits rule)
{
    return ((int16_t)rule.shape >> 4) * (intptr_t)sizeof(uintptr_t);
}

static inline uint64_t rules_table_key(uintptr_t pc, uint32_t generation)
{
    return pc + ((uint64_t)generation << KEY_PC_BITS);
}

static inline struct rules_entry *rules_table_entry(uint32_t index)
{
    return (struct rules_entry *)rules_table + index;
}
static inline uint32_t rules_table_index(const struct rules_entry *e)
{
    return (uint32_t)(e - (struct rules_entry *)rules_table);
}

/* The low bits of a pc, and nothing else: modules are loaded at page boundaries and return
 * addresses fall anywhere, so these bits are as good as a hash, and finding the entry is on the
 * critical path of every frame. */
static inline struct rules_entry *rules_table_home(uintptr_t pc, uint32_t mask)
{
    return rules_table_entry((uint32_t)pc & mask);
}
static inline struct rules_group *rules_table_group_of(uintptr_t pc, uint32_t mask)
{
    return &rules_table[(pc & mask) / TABLE_WAYS];
}

static inline struct rule_bits rules_entry_read(const struct rules_entry *e, uint64_t key)
{
    struct rule_bits rule = {RULE_ABSENT, 0};
    if (LIKELY(LOAD_ACQUIRE(&e->key) == key)) {
        uint16_t shape = LOAD_ACQUIRE(&e->shape);
        rule.cfa_offset = LOAD_ACQUIRE(&e->cfa_offset);
        rule.shape = LIKELY(LOAD(&e->key) == key) ? shape : RULE_ABSENT;
    }
    return rule;
}

/* The entry of a pc, in its group; NULL = there is none. mask: of the moment the walk began. */
SIGNAL_SAFE struct rules_entry *rules_table_find(uintptr_t pc, uint64_t key, uint32_t mask);

/* Remembers a rule that was found while generation was in force; may forget another one. */
SIGNAL_SAFE void rules_table_put(uintptr_t pc, uint32_t generation, struct rule r);

/* To be called with the generation of a walk before its first look-up. */
SIGNAL_SAFE COLD void rules_table_clear_for(uint32_t generation);
extern uint32_t
    rules_table_epoch; /* the high 16 bits of the generations that the entries are from */
static inline void rules_table_ready(uint32_t generation)
{
    if (UNLIKELY(LOAD_ACQUIRE(&rules_table_epoch) != generation >> 16)) {
        rules_table_clear_for(generation);
    }
}

#endif
