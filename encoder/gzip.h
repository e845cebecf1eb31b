/* SPDX-License-Identifier: MIT
 *
 * Bytes in, gzip out, into a byte_sink. All memory is one mapping of fixed size. The first error,
 * of the sink or reported through gzip_fail, sticks: what is written afterwards is dropped and the
 * sink is not called again, so only gzip_close has to be checked. Runs in the scribe or in a signal
 * handler; one thread at a time.
 */
#ifndef ENCODER_GZIP_H
#define ENCODER_GZIP_H

#include "collectors/base/abi.h"
#include "encoder/sink.h"

struct gzip;

/* NULL when there is no memory. The sink must stay valid until gzip_close. */
struct gzip *gzip_open(const struct byte_sink *sink);
/* False after an error. */
bool gzip_write(struct gzip *gz, const void *buf, size_t n);
/* Reports a failure outside the stream, as -errno, that makes its content worthless; 0 is ignored.
 */
void gzip_fail(struct gzip *gz, int error);
/* 0 or the first error so far. */
int gzip_error(const struct gzip *gz);
/* Finishes the stream, unless it has failed, and gives the memory back. 0 or the first error. */
MUST_CHECK int gzip_close(struct gzip *gz);

#endif
