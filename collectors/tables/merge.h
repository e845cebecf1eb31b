/* SPDX-License-Identifier: MIT
 *
 * Samples that say the same become one. Runs in the scribe or a thread of the program; memory from
 * the kernel, given back.
 */
#ifndef COLLECTORS_MERGE_H
#define COLLECTORS_MERGE_H

#include "collectors/snapshot.h"

/* Adds up those of equal stack, labels and bytes, in place, in the order of the first ones; how
 * many are left. All of them where there is no memory to work with. */
size_t merge_samples(struct snapshot_sample *sample, size_t n);

/* How many distinct stacks they have; n where there is no memory. */
size_t merge_stacks(const struct snapshot_sample *sample, size_t n);

#endif
