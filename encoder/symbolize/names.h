/* SPDX-License-Identifier: MIT
 *
 * All functions found so far, each once, and the frames that refer to them.
 *
 * Filled by batch.c while the modules answer, read by finish.c and rewrite.c; shared by all the
 * profiles of one batch, since those of one dump name the same functions. Every index stays valid
 * until names_free; pointers from names_text only until the next names_add.
 */
#ifndef ENCODER_SYMBOLIZE_NAMES_H
#define ENCODER_SYMBOLIZE_NAMES_H

#include "encoder/symbolize/frame.h"

#include <stddef.h>
#include <stdint.h>

struct names_text {
    size_t at;          /* in bytes[] */
    uint32_t len, next; /* next of the same hash, + 1 */
    uint32_t hash;
};

struct names_function {
    uint32_t name, system_name, file; /* texts */
    uint32_t next, hash;
    uint64_t start_line;
};

struct names_line {
    uint32_t function;
    uint32_t offset; /* see struct frame */
    uint64_t line;
};

struct names {
    char *bytes;
    size_t nbytes, bytes_cap;
    struct names_text *texts;
    size_t ntexts, texts_cap;
    struct names_function *functions;
    size_t nfunctions, functions_cap;
    struct names_line *lines;
    size_t nlines, lines_cap;
    uint32_t *text_heads, *function_heads; /* hash chains: index + 1, 0 = empty */
    size_t ntext_heads, nfunction_heads;
};

int names_init(struct names *names); /* text 0 is "" */
void names_free(struct names *names);

/* Keeps the frames of one address; *first is the index of its first line. 0 or -errno. */
int names_add(struct names *names, const struct frame *frames, size_t n, uint32_t *first);

const char *names_text(const struct names *names, uint32_t text, size_t *len);

#endif
