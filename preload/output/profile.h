/* SPDX-License-Identifier: MIT
 *
 * All the profiles there are, and one of them as bytes: what a dump (preload/output/dump.c) and a
 * call of the API (preload/output/errand.c) have in common. Runs in the scribe or its like.
 */
#ifndef PRELOAD_PROFILE_H
#define PRELOAD_PROFILE_H

#include "collectors/kinds.h"
#include "encoder/encode.h"

/* How a profile is written: the protobuf, Go's text, or (goroutine) threads one by one. */
enum profile_form { PROFILE_PROTO, PROFILE_DEBUG1, PROFILE_DEBUG2 };

/* What all profiles of one dump share. */
struct profile_moment {
    const struct maps *maps;
    int64_t time_nanos;
    const struct allthreads *threads; /* NULL = none was taken */
};

/* The predefined profiles in their order, then the program's, the oldest first; *n of them, in an
 * array for profile_list_free(). NULL: no memory. */
const struct kind **profile_list(size_t *n);
void profile_list_free(const struct kind **list, size_t n);

/* A snapshot, whose samples are sys_map'ed; profile_close() gives them back. */
struct profile_open {
    struct snapshot snap;
    struct snapshot_sample *samples;
    size_t bytes;
};
void profile_open(struct profile_open *p, const struct kind *k, const struct profile_moment *m);
void profile_close(struct profile_open *p);

/* 0 or the first -errno. */
MUST_CHECK int profile_encode(const struct snapshot *snap, enum profile_form form,
                              const struct profile_moment *m, const struct byte_sink *sink);

#endif
