/* SPDX-License-Identifier: MIT
 *
 * A profile: what it is called, what its numbers mean, and how they are read. The predefined ones
 * are the rows of collectors/kinds.c, those that the program makes are in collectors/custom.c.
 */
#ifndef COLLECTORS_KIND_H
#define COLLECTORS_KIND_H

#include "collectors/collector.h"
#include "collectors/snapshot.h"

struct allthreads;

struct kind {
    struct profile_shape shape;
    const struct collector *collector; /* NULL: the program's own, kept by custom.c */
    uint32_t part;                     /* the collector's bit for this profile */
    uint32_t needs;                    /* enum collector_needs */
    int64_t (*period)(void);
    int64_t (*duration)(void); /* ns that it covers; NULL = its file tells none */
    /* Fills *out with samples (sys_map'ed, *bytes long); how many. Runs in the scribe, while the
     * program goes on. NULL: see snapshot_threads, or the program's own. */
    size_t (*snapshot)(struct snapshot_sample **out, size_t *bytes);
    /* The same with NEEDS_THREADS: from the stacks that were taken for this dump. */
    size_t (*snapshot_threads)(const struct allthreads *threads, struct snapshot_sample **out,
                               size_t *bytes);
    /* What Go's Profile.Count says; NULL: the distinct stacks of a snapshot. */
    long (*count)(void);
    const char *name; /* where shape.name had to be made valid UTF-8: as it was; NULL = the same */
    bool in_sessions; /* as in Go cannot be looked up by name: the program gets it by the calls
                       * StartCPUProfile and StopCPUProfile */
    bool enabled;     /* PPROF_PROFILES names it; written at start only */
};

/* As the program knows it. */
static inline const char *kind_name(const struct kind *k)
{
    return k->name ? k->name : k->shape.name;
}

#endif
