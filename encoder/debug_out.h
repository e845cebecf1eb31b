/* SPDX-License-Identifier: MIT
 *
 * Buffered text into a byte_sink, with a sticky first error. For debug.c and debug_threads.c.
 */
#ifndef ENCODER_DEBUG_OUT_H
#define ENCODER_DEBUG_OUT_H

#include "collectors/base/abi.h"
#include "encoder/sink.h"

struct maps;

struct debug_out {
    const struct byte_sink *sink;
    int error;
    size_t n;
    char buf[4096];
};

void debug_put(struct debug_out *out, const char *text);
void debug_put_int(struct debug_out *out, int64_t v);
void debug_put_hex(struct debug_out *out, uint64_t v); /* with 0x */
/* In double quotes, with what would break out of them escaped. */
void debug_put_quoted(struct debug_out *out, const char *text);
/* The end: what is left in the buffer. The first error. */
MUST_CHECK int debug_finish(struct debug_out *out);

/* "--- Memory map: ---" and its lines. */
void debug_put_maps(struct debug_out *out, const struct maps *maps);

#endif
