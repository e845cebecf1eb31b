/* SPDX-License-Identifier: MIT
 *
 * Buffered text into a byte_sink, with a sticky first error: what text_samples.c and
 * text_threads.c are built from.
 */
#ifndef ENCODER_TEXT_OUT_H
#define ENCODER_TEXT_OUT_H

#include "collectors/base/abi.h"
#include "encoder/sink.h"

struct maps;

struct text_out {
    const struct byte_sink *sink;
    int error;
    size_t n;
    char buf[4096];
};

void text_out_put(struct text_out *out, const char *text);
void text_out_put_int(struct text_out *out, int64_t v);
void text_out_put_hex(struct text_out *out, uint64_t v); /* with 0x */
/* In double quotes; quotes, backslashes and control characters are escaped. */
void text_out_put_quoted(struct text_out *out, const char *text);
/* Writes what is left in the buffer. 0, or the sink's first -errno. */
MUST_CHECK int text_out_finish(struct text_out *out);

/* "--- Memory map: ---" and a line for each mapping. maps may be NULL. */
void text_out_put_maps(struct text_out *out, const struct maps *maps);

#endif
