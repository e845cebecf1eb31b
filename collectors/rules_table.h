/* SPDX-License-Identifier: MIT
 *
 * What the unwinder has learnt: one table for the process, from an instruction to its rule, in
 * groups of four entries that fill a cache line. No lock and no allocation anywhere, so that a
 * handler may interrupt a writer on the same thread at any instruction and still read and write.
 *
 * An entry is a small sequence lock of its own:
 *   writer: CAS key from what was there to ENTRY_BUSY; store the rule; store-release the new key.
 *   reader: load the key, load the rule, load the key again: equal to what is wanted both times
 *           means that the rule between them belongs to it.
 * A CAS that fails means that somebody else is writing there; the rule is then not remembered, and
 * will be found again. Two threads may enter the same pc twice: both entries say the same.
 *
 * The key holds the low 16 bits of the generation (rules_generation) beside the pc, so forgetting
 * costs nothing: entries of older generations match nobody and are the first to be replaced. When
 * those 16 bits come round, the table is cleared before it is used again.
 */
#ifndef COLLECTORS_RULES_TABLE_H
#define COLLECTORS_RULES_TABLE_H

#include "collectors/rules.h"

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
#define KEY_PC_BITS 48
/* Above the half of the address space that the kernel gives to programs. */
#define PC_END (1ULL << 47)

struct rules_entry {
    uint64_t key;       /* pc | generation << KEY_PC_BITS; 0 = empty */
    uint32_t shape;     /* kind, 3 bits | bp_saved, 1 bit | bp_offset, 28 bits signed */
    int32_t cfa_offset; /* bytes */
};

struct rules_group {
    struct rules_entry way[TABLE_WAYS];
} __attribute__((aligned(CACHE_LINE)));

_Static_assert(sizeof(struct rules_group) == CACHE_LINE, "a group is read with one cache miss");

extern struct rules_group rules_table[TABLE_GROUPS];

static inline uint64_t rules_table_key(uintptr_t pc, uint32_t generation)
{
    return pc | (uint64_t)generation << KEY_PC_BITS;
}

/* The groups in use, less one. */
extern uint32_t rules_table_mask;

/* The low bits of a pc, and nothing else: modules are loaded at page boundaries and return
 * addresses fall anywhere, so these bits are as good as a hash, and finding the group is on the
 * critical path of every frame. */
static inline struct rules_group *rules_table_group_of(uintptr_t pc, uint32_t mask)
{
    return &rules_table[pc & mask];
}

static inline uint32_t shape_of(struct rule r)
{
    return (uint32_t)r.kind | (uint32_t)r.bp_saved << 3 | (uint32_t)r.bp_offset << 4;
}
static inline unsigned shape_kind(uint32_t shape)
{
    return shape & 7;
}
static inline bool shape_bp_saved(uint32_t shape)
{
    return shape & 8;
}
static inline int32_t shape_bp_offset(uint32_t shape)
{
    return (int32_t)shape >> 4;
}

/* A rule as the table holds it, in one register. */
struct rule_bits {
    uint32_t shape;
    int32_t cfa_offset;
};
#define RULE_ABSENT 7 /* the kind of what the table does not have */
_Static_assert(RULE_NOWHERE < RULE_ABSENT, "three bits for the kind");

static inline struct rule_bits rule_bits_of(struct rule r)
{
    return (struct rule_bits){shape_of(r), r.cfa_offset};
}

static inline struct rule_bits rules_entry_read(const struct rules_entry *e, uint64_t key)
{
    struct rule_bits bits = {RULE_ABSENT, 0};
    if (LIKELY(LOAD_ACQUIRE(&e->key) == key)) {
        uint32_t shape = LOAD_ACQUIRE(&e->shape);
        bits.cfa_offset = LOAD_ACQUIRE(&e->cfa_offset);
        bits.shape = LIKELY(LOAD(&e->key) == key) ? shape : RULE_ABSENT;
    }
    return bits;
}

/* mask: of the moment the walk began. SIGNAL_SAFE HOT. */
static inline struct rule_bits rules_table_find(uintptr_t pc, uint32_t generation, uint32_t mask)
{
    const struct rules_group *g = rules_table_group_of(pc, mask);
    uint64_t key = rules_table_key(pc, generation);
    struct rule_bits bits = rules_entry_read(&g->way[0], key);
    for (int i = 1; i < TABLE_WAYS && UNLIKELY(bits.shape == RULE_ABSENT); i++) {
        bits = rules_entry_read(&g->way[i], key);
    }
    return bits;
}

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
