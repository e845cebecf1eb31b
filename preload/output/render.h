/* SPDX-License-Identifier: MIT
 *
 * The list of all profiles, and one profile as bytes: the steps of which request.c makes the answer
 * to a request. Runs where requests are served.
 */
#ifndef PRELOAD_RENDER_H
#define PRELOAD_RENDER_H

#include "collectors/kinds.h"
#include "encoder/encode.h"
#include "encoder/sink.h"

/* How a profile is written: gzip'ed protobuf; Go's text, debug=1; thread by thread as Go's crash
 * report, debug=2, which only goroutine has. */
enum form { FORM_PROTOBUF, FORM_DEBUG1, FORM_DEBUG2, FORM_COUNT };

/* What all profiles of one request share. */
struct render_moment {
    const struct maps *maps;
    int64_t time_nanos;               /* CLOCK_REALTIME */
    const struct allthreads *threads; /* where all threads are; NULL = not looked at */
};

/* All profiles, enabled or not: the predefined ones in their order, then the program's own, the
 * oldest first. *n: how many. NULL: no memory. render_list_free() gives the array back. */
const struct kind **render_list(size_t *n);
void render_list_free(const struct kind **list, size_t n);

/* A profile at this moment: render_open() takes the snapshot, from tables that the program goes on
 * writing; render_close() gives its memory back. */
struct rendering {
    struct snapshot snap;
    struct snapshot_sample *samples;
    size_t bytes;
};
void render_open(struct rendering *p, const struct kind *k, const struct render_moment *m);
void render_close(struct rendering *p);

/* Writes a snapshot into a sink. 0, or the first -errno of the sink or of memory. */
MUST_CHECK int render_encode(const struct snapshot *snap, enum form form,
                             const struct render_moment *m, const struct byte_sink *sink);

#endif
