/* SPDX-License-Identifier: MIT
 *
 * The rule table: from a stored pc to its rule, one table for the process, in groups of four
 * entries that fill a cache line. No function takes a lock or allocates, so that a signal handler
 * may interrupt a writer on the same thread at any instruction, and still read and write.
 * unwind.c reads and writes it.
 *
 * An entry is a small sequence lock of its own:
 *   writer: CAS the key from what was there to ENTRY_BUSY; store the rule; store-release the new
 *           key.
 *   reader: load the key, load the rule, load the key again. If both keys are the one wanted, the
 *           rule read between them belongs to it.
 * A CAS that fails means that another thread, or the code that this handler has interrupted, is
 * writing the entry; then the rule is not put into the table, and will be found again. Two threads
 * may put in the same pc twice: both entries hold the same rule.
 *
 * A pc is looked for first in one entry of its group, its home, and then in the other three. A walk
 * that finds all rules at home takes the same branches every time, as the processor predicts.
 *
 * The key holds the low 16 bits of the generation (rules_generation.h) beside the pc. So forgetting
 * all rules costs nothing: entries of older generations match no key that is looked for, and are
 * the first to be replaced. Before the same 16 bits are used again, the table is cleared.
 */
#ifndef COLLECTORS_RULES_TABLE_H
#define COLLECTORS_RULES_TABLE_H

#include "collectors/stacks/rules.h"

/* The table begins with 32 KiB in use, which are doubled, up to 1 MiB, when insertions have
 * overwritten too many rules of this generation: its memory follows the code that is seen. All of
 * it is reserved from the beginning; pages not in use are never touched. At its largest, 65,536
 * rules, 20,000 distinct pcs (those of a large compiler) leave one group in a hundred with more
 * than four pcs. */
enum {
    TABLE_WAYS = 4,
    TABLE_GROUPS_MIN = 1 << 9,
    TABLE_GROUPS = 1 << 14,
};

#define ENTRY_BUSY 1ULL /* a key that is neither empty nor that of a pc: no code lies there */
#define KEY_PC_BITS ARCH_ADDRESS_BITS

/* A rule as the table holds it. */
struct rule_bits {
    uint16_t shape; /* kind, 3 bits | bp_saved, 1 bit | bp_offset in words, 12 bits signed */
    int32_t cfa_offset;
};
#define RULE_ABSENT 7 /* the kind where the table has no rule */
_Static_assert(RULE_NOWHERE < RULE_ABSENT, "three bits for the kind");

struct rules_entry {
    uint64_t key;   /* pc + generation << KEY_PC_BITS; 0 = empty */
    uint16_t shape; /* struct rule_bits */
    /* The index of the entry with the rule of this frame's caller, as a walk has found it. The next
     * walk looks there first, so that it need not wait until the return address is loaded. Written
     * without regard to the key: the entry there is believed by its own key only. 0 = not known. */
    uint16_t caller;
    int32_t cfa_offset;
};
_Static_assert(TABLE_GROUPS *TABLE_WAYS <= 1 << 16, "an index has 16 bits");

struct rules_group {
    struct rules_entry way[TABLE_WAYS];
} __attribute__((aligned(CACHE_LINE)));

_Static_assert(sizeof(struct rules_group) == CACHE_LINE, "a group is read with one cache miss");

extern struct rules_group rules_table[TABLE_GROUPS];
/* How many entries are in use, less one: all bits below a power of two. */
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

/* The home of a pc: the entry whose index is its low bits. These are as good as a hash, because
 * return addresses have any value in them, and every frame of a walk waits for this computation. */
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

/* The entry of a pc in its group; NULL = there is none. mask: rules_table_mask when the walk began.
 */
SIGNAL_SAFE struct rules_entry *rules_table_find(uintptr_t pc, uint64_t key, uint32_t mask);

/* Puts in the rule of a pc, found while the generation was in force. It may replace another rule,
 * and may fail to be put in. */
SIGNAL_SAFE void rules_table_put(uintptr_t pc, uint32_t generation, struct rule r);

/* Clears the table of rules whose generation has the same low 16 bits; see rules_table_ready(). */
SIGNAL_SAFE COLD void rules_table_clear_for(uint32_t generation);
extern uint32_t
    rules_table_epoch; /* the high 16 bits of the generations that the entries are from */
/* To be called with the generation of a walk before its first look-up. */
static inline void rules_table_ready(uint32_t generation)
{
    if (UNLIKELY(LOAD_ACQUIRE(&rules_table_epoch) != generation >> 16)) {
        rules_table_clear_for(generation);
    }
}

#endif
