/* SPDX-License-Identifier: MIT
 *
 * What happened between two snapshots of one profile: of values that count events, by stack and
 * labels, the earlier ones are taken off the later ones, as `go tool pprof -base` does.
 * Values that are a state of the moment, as what is in use, are those of the later snapshot. Whose
 * earlier snapshot it is, since.h keeps. Runs in the process that writes; memory from the kernel.
 */
#ifndef COLLECTORS_DELTA_H
#define COLLECTORS_DELTA_H

#include "collectors/snapshot.h"

/* What was told of each sample so far, the sum of all differences; NULL = nothing yet. */
struct delta {
    size_t slots;                  /* a power of two */
    struct snapshot_sample slot[]; /* open addressing: stack NULL = free */
};

/* Makes *changed (sys_map'ed, *bytes long) of how the samples differ from *before, and *now of what
 * is told with that. states: as in struct profile_shape. Where an estimate has gone down, nothing
 * is told until it is above what was told before. How many samples differ, or are a state that is
 * not 0; -ENOMEM: neither is made. */
MUST_CHECK long delta_make(const struct delta *before, const struct snapshot_sample *samples,
                           size_t n, unsigned states, struct delta **now,
                           struct snapshot_sample **changed, size_t *bytes);
void delta_free(struct delta *d);

#endif
