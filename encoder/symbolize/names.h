/* SPDX-License-Identifier: MIT
 *
 * The functions that have been found, each once, and the lines that refer to them.
 *
 * batch.c adds them while the modules answer; finish.c, rewrite.c and text_profile.c read them. All
 * profiles of a batch share them, since those of one dump name the same functions. An index stays
 * valid until names_free, a pointer from names_text until the next names_add.
 */
#ifndef ENCODER_SYMBOLIZE_NAMES_H
#define ENCODER_SYMBOLIZE_NAMES_H

#include "encoder/symbolize/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_text {
    size_t at;          /* in bytes[] */
    uint32_t len, next; /* index + 1 of the next text in the hash chain */
    uint32_t hash;
};

struct names_function {
    uint32_t name, system_name, file; /* indices of texts */
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

/* Makes it empty but for text 0, which is "". 0 or -ENOMEM. */
int names_init(struct names *names);
void names_free(struct names *names);

/* Keeps n frames, which are one address's, as n lines in a row; *first is the index of the first
 * one. 0 or -errno (-E2BIG: more than 32 bits can count). */
int names_add(struct names *names, const struct frame *frames, size_t n, uint32_t *first);

/* Is there such a text? Then *index is its index. */
bool names_find(const struct names *names, const char *string, uint32_t *index);

/* A text by its index; *len is its length, without the NUL behind it. */
const char *names_text(const struct names *names, uint32_t text, size_t *len);

#endif
