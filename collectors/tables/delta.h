/* SPDX-License-Identifier: MIT
 *
 * PPROF_DELTA: what happened between two snapshots of one profile. Keeps the values of the last one
 * by (stack, bytes, labels) and takes them off the next one's, as `go tool pprof -base` does; so
 * what is in use may come out negative. Runs in the scribe; memory from the kernel.
 */
#ifndef COLLECTORS_DELTA_H
#define COLLECTORS_DELTA_H

#include "collectors/snapshot.h"

/* The values of a snapshot; zero = of none. */
struct delta {
    struct snapshot_sample *slot; /* open addressing: stack NULL = free */
    size_t slots;                 /* a power of two */
};

/* Keeps samples' values in *now, and makes *changed of their differences from *before (sys_map'ed,
 * *bytes long); how many differ. -ENOMEM: neither is made. */
MUST_CHECK long delta_make(const struct delta *before, const struct snapshot_sample *samples,
                           size_t n, struct delta *now, struct snapshot_sample **changed,
                           size_t *bytes);
void delta_free(struct delta *d);

#endif
