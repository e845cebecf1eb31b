/* SPDX-License-Identifier: MIT
 *
 * The table of profiles: one row each. To add a profile, write its collector and add its row.
 */
#ifndef COLLECTORS_KINDS_H
#define COLLECTORS_KINDS_H

#include "collectors/snapshot.h"

struct kind {
    struct profile_shape shape;
    int64_t (*period)(void);
    int64_t (*duration)(void); /* NULL where shape.has_duration is false */
    /* Fills *out with sys_map'ed samples, *bytes long; how many there are. Runs in the scribe. */
    size_t (*snapshot)(struct snapshot_sample **out, size_t *bytes);
    bool enabled; /* PPROF_PROFILES names it; written at start only */
};

enum { KIND_CPU, KIND_HEAP, KIND_ALLOCS, KIND_BLOCK, KIND_MUTEX, KIND_THREADCREATE, KIND_COUNT };
extern struct kind kinds[KIND_COUNT];

/* The row of a profile's name, or -1. */
int kinds_find(const char *name, size_t len);

#endif
