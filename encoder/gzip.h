/* SPDX-License-Identifier: MIT
 *
 * Bytes in, gzip out, into a byte_sink. All memory is one mapping of fixed size. The first error,
 * of the sink or reported through gzip_fail, sticks: everything behind it is swallowed and the sink
 * is not called again, so only gzip_close has to be checked. In the scribe or a signal handler.
 */
#ifndef ENCODER_GZIP_H
#define ENCODER_GZIP_H

#include "collectors/base/abi.h"
#include "encoder/sink.h"

struct gzip;

/* NULL when there is no memory. The sink must outlive it. */
struct gzip *gzip_open(const struct byte_sink *sink);
/* False after an error. */
bool gzip_write(struct gzip *gz, const void *buf, size_t n);
/* An error from elsewhere that makes what is being written worthless; 0 is none. */
void gzip_fail(struct gzip *gz, int error);
/* 0 or the first error so far. */
int gzip_error(const struct gzip *gz);
/* Finishes the stream, unless it has failed, and gives the memory back. 0 or the first error. */
MUST_CHECK int gzip_close(struct gzip *gz);

#endif
