/* SPDX-License-Identifier: MIT
 *
 * Memory that grows and is given back: what the encoder keeps per dump. It comes from mmap, so it
 * may be used where malloc may not: in the scribe and in a signal handler. One thread at a time.
 */
#ifndef ENCODER_BUFFER_H
#define ENCODER_BUFFER_H

#include "collectors/base/abi.h"

struct buffer {
    void *at; /* moves when it grows */
    size_t size;
};

/* Makes room for at least so many bytes: old content is kept, new bytes are zero, and `at` may
 * change. False when the kernel has no memory; the buffer is then as before. */
MUST_CHECK bool buffer_reserve(struct buffer *b, size_t bytes);
void buffer_free(struct buffer *b);

#endif
