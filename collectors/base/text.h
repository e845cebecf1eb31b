/* SPDX-License-Identifier: MIT
 *
 * Strings without stdio: a bounded builder, and numbers to and from text. Text that does not fit is
 * cut off, and `cut` says so. SIGNAL_SAFE throughout.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "collectors/base/abi.h"

struct text {
    char *at;    /* the buffer, always terminated */
    size_t size; /* its bytes */
    size_t len;
    bool cut; /* something did not fit */
};

static inline struct text text_in(char *buf, size_t size)
{
    buf[0] = '\0';
    return (struct text){buf, size, 0, false};
}

SIGNAL_SAFE void text_add(struct text *t, const char *s);
SIGNAL_SAFE void text_add_n(struct text *t, const char *s, size_t n);
/* In decimal, padded with zeroes to at least `width` digits. */
SIGNAL_SAFE void text_add_int(struct text *t, int64_t v, int width);
SIGNAL_SAFE void text_add_hex(struct text *t, uint64_t v);
/* A byte of what becomes the name of a file: letters, digits, '.', '_' and '-' as they are, every
 * other byte as %XX. */
SIGNAL_SAFE void text_add_escaped(struct text *t, char byte);

/* Replaces by '?' each of the n bytes that belongs to no valid UTF-8 sequence (RFC 3629). */
SIGNAL_SAFE void text_make_utf8(char *text, size_t n);

/* Reads the number at *s, in decimal with an optional minus, or in lower-case hexadecimal, and
 * moves *s behind it. False, with *s as it was: there is none, or (int) it overflows. */
SIGNAL_SAFE bool text_read_int(const char **s, int64_t *v);
SIGNAL_SAFE bool text_read_hex(const char **s, uint64_t *v);

#endif
