/* SPDX-License-Identifier: MIT
 *
 * The table of profiles: one row each. To add a profile, write its collector and add its row.
 */
#ifndef COLLECTORS_KINDS_H
#define COLLECTORS_KINDS_H

#include "collectors/snapshot.h"

struct allthreads;

struct kind {
    struct profile_shape shape;
    int64_t (*period)(void);
    int64_t (*duration)(void); /* NULL where shape.has_duration is false */
    /* Fills *out with sys_map'ed samples, *bytes long; how many there are. Runs in the scribe. NULL
     * for goroutine and those that the program made. */
    size_t (*snapshot)(struct snapshot_sample **out, size_t *bytes);
    bool enabled;     /* PPROF_PROFILES names it; written at start only */
    const char *name; /* where shape.name had to be made valid UTF-8: as it was; NULL = the same */
};

enum {
    KIND_CPU,
    KIND_HEAP,
    KIND_ALLOCS,
    KIND_BLOCK,
    KIND_MUTEX,
    KIND_THREADCREATE,
    KIND_GOROUTINE,
    KIND_COUNT,
};
extern struct kind kinds[KIND_COUNT];

/* As the program knows it. */
const char *kind_name(const struct kind *k);

/* The samples of any profile; threads: the picture that goroutine shows, see allthreads.h. An empty
 * array where it is not enabled. */
size_t kind_snapshot(const struct kind *k, const struct allthreads *threads,
                     struct snapshot_sample **out, size_t *bytes);

/* What Go's Count says: live threads, threads ever made, entries, or distinct stacks. In a thread
 * of the program. */
long kind_count(const struct kind *k);

/* The row of a profile's name, or -1. */
int kinds_find(const char *name, size_t len);

#endif
