/* SPDX-License-Identifier: MIT
 *
 * The labels of the heap's buckets (PPROF_HEAP_LABELS): those that the thread carries at the
 * allocation. A bucket and its set of labels are never freed, so a program whose labels are
 * different in each request would fill the memory; hence there is a bound, beyond which objects
 * keep their stack and size, and say that their labels had no room. Off by default. Called by
 * heap.c inside an allocation that is sampled. No lock.
 */
#ifndef COLLECTORS_HEAP_LABELS_H
#define COLLECTORS_HEAP_LABELS_H

#include "collectors/snapshot.h"

/* Buckets with labels: 80 bytes each, and a set of some 150 bytes where it is in no other. */
enum { HEAP_LABELS_MAX = 1 << 18 };

/* Constructor only. */
void heap_labels_start(bool on);

/* The kept set of the calling thread; NULL = none, or off. */
SIGNAL_SAFE const struct labels *heap_labels_here(void);

/* A bucket with these labels, which are not NULL, is about to be made: with which it is to be. */
SIGNAL_SAFE const struct labels *heap_labels_of_new(const struct labels *l);

#endif
