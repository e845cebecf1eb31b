/* SPDX-License-Identifier: MIT
 *
 * Memory that grows and is given back: what the encoder keeps per dump. Straight from the kernel,
 * so it may be used where there is no malloc: in the scribe and in a signal handler.
 */
#ifndef ENCODER_BUFFER_H
#define ENCODER_BUFFER_H

#include "collectors/base/abi.h"

struct buffer {
    void *at; /* moves when it grows */
    size_t size;
};

/* Room for at least so many bytes: what was there is kept, what is new is zero. False when the
 * kernel has none; the buffer is then as before. */
MUST_CHECK bool buffer_reserve(struct buffer *b, size_t bytes);
void buffer_free(struct buffer *b);

#endif
