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

/* How a profile is written: the protobuf, Go's text, or (goroutine) threads one by one. */
enum form { FORM_PROTOBUF, FORM_DEBUG1, FORM_DEBUG2, FORM_COUNT };

/* What all profiles of one request share. */
struct render_moment {
    const struct maps *maps;
    int64_t time_nanos;
    const struct allthreads *threads; /* NULL = none was taken */
};

/* The predefined profiles in their order, then the program's, the oldest first; *n of them, in an
 * array for render_list_free(). NULL: no memory. */
const struct kind **render_list(size_t *n);
void render_list_free(const struct kind **list, size_t n);

/* A snapshot, whose samples are sys_map'ed; render_close() gives them back. */
struct rendering {
    struct snapshot snap;
    struct snapshot_sample *samples;
    size_t bytes;
};
void render_open(struct rendering *p, const struct kind *k, const struct render_moment *m);
void render_close(struct rendering *p);

/* 0 or the first -errno. */
MUST_CHECK int render_encode(const struct snapshot *snap, enum form form,
                             const struct render_moment *m, const struct byte_sink *sink);

#endif
