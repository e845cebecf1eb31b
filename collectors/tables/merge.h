/* SPDX-License-Identifier: MIT
 *
 * Samples that differ in their values alone become one. Runs in the scribe, or in a thread of the
 * program that asks how many stacks a profile has. Its memory comes from the kernel, and is given
 * back before it returns.
 */
#ifndef COLLECTORS_MERGE_H
#define COLLECTORS_MERGE_H

#include "collectors/base/hash.h"
#include "collectors/snapshot.h"

/* Do two samples differ in their values alone? A hash of the rest. */
static inline bool merge_same(const struct snapshot_sample *a, const struct snapshot_sample *b)
{
    return a->stack == b->stack && a->labels == b->labels && a->thread == b->thread &&
           a->bytes_label == b->bytes_label;
}
static inline uint64_t merge_hash(const struct snapshot_sample *s)
{
    return hash_words((uintptr_t)s->stack, (uintptr_t)s->labels,
                      s->bytes_label ^ (uintptr_t)s->thread);
}

/* Adds up, in place, the values of samples that differ in nothing else; each sum is where
 * the first of its samples was. How many are left; n, with nothing changed, where there is no
 * memory. */
size_t merge_samples(struct snapshot_sample *sample, size_t n);

/* How many distinct stacks the samples have; n where there is no memory. */
size_t merge_stacks(const struct snapshot_sample *sample, size_t n);

#endif
