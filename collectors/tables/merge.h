/* SPDX-License-Identifier: MIT
 *
 * Samples that differ in their values alone become one. Runs in the scribe, or in a thread of the
 * program that asks how many stacks a profile has. Its memory comes from the kernel, and is given
 * back before it returns.
 */
#ifndef COLLECTORS_MERGE_H
#define COLLECTORS_MERGE_H

#include "collectors/snapshot.h"

/* Adds up, in place, the values of samples with the same stack, labels and bytes; each sum is where
 * the first of its samples was. How many are left; n, with nothing changed, where there is no
 * memory. */
size_t merge_samples(struct snapshot_sample *sample, size_t n);

/* How many distinct stacks the samples have; n where there is no memory. */
size_t merge_stacks(const struct snapshot_sample *sample, size_t n);

#endif
