/* SPDX-License-Identifier: MIT
 *
 * The counters of a profile: one bucket for each (stack, labels, key) ever seen. Lock-free, never
 * shrinks; buckets stay where they are, so that a live object's record may point to its bucket.
 * SIGNAL_SAFE.
 */
#ifndef COLLECTORS_TABLE_H
#define COLLECTORS_TABLE_H

#include "collectors/snapshot.h"
#include "collectors/tables/hashset.h"

enum { TABLE_VALUES = 6 };

struct bucket {
    const struct stack *stack;
    const struct labels *labels; /* a kept copy (labels.h); NULL = none */
    uint64_t key[2];             /* what else the profile tells samples of one stack apart by */
    uint64_t value[TABLE_VALUES];
};

struct table {
    struct hashset set;
};

/* The bucket of (stack, labels, key0, key1), made if there is none yet. NULL: no memory; the caller
 * counts the event as lost. */
SIGNAL_SAFE struct bucket *table_bucket(struct table *t, const struct stack *stack,
                                        const struct labels *labels, uint64_t key0, uint64_t key1);

/* Turns a bucket into a sample. False: all its values are 0, and there is none. */
typedef bool table_sample(const struct bucket *b, struct snapshot_sample *out);

/* The samples of all buckets, and of n more buckets that are in no table, into *out (sys_map'ed,
 * *bytes long); how many. *out is NULL where there is no memory. Reads while other threads write.
 * Runs in the scribe. */
size_t table_snapshot(const struct table *t, struct bucket *const *more, size_t n,
                      table_sample *sample, struct snapshot_sample **out, size_t *bytes);

/* The bucket of (stack, labels, key0, key1) if there is one, else NULL. */
SIGNAL_SAFE struct bucket *table_find(struct table *t, const struct stack *stack,
                                      const struct labels *labels, uint64_t key0, uint64_t key1);

#endif
