/* SPDX-License-Identifier: MIT
 *
 * What happened between two snapshots of one profile: the values of the earlier one, by (stack,
 * bytes, labels), are taken off the later one's, as `go tool pprof -base` does. So what is in use
 * may come out negative. Whose earlier snapshot it is, since.h keeps. Runs in the process that
 * writes; memory from the kernel.
 */
#ifndef COLLECTORS_DELTA_H
#define COLLECTORS_DELTA_H

#include "collectors/snapshot.h"

/* The values of a snapshot; all zero = of an empty one. */
struct delta {
    struct snapshot_sample *slot; /* open addressing: stack NULL = free */
    size_t slots;                 /* a power of two */
};

/* Keeps the samples' values in *now, and makes *changed of their differences from *before
 * (sys_map'ed, *bytes long). How many differ; -ENOMEM: neither is made. */
MUST_CHECK long delta_make(const struct delta *before, const struct snapshot_sample *samples,
                           size_t n, struct delta *now, struct snapshot_sample **changed,
                           size_t *bytes);
void delta_free(struct delta *d);

#endif
