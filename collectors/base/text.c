/* SPDX-License-Identifier: MIT
 *
 * See text.h. SIGNAL_SAFE.
 */
#include "collectors/base/text.h"

#include <string.h>

void text_add_n(struct text *t, const char *s, size_t n)
{
    if (n > t->size - t->len - 1) {
        n = t->size - t->len - 1;
        t->cut = true;
    }
    memcpy(t->at + t->len, s, n);
    t->len += n;
    t->at[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
    text_add_n(t, s, strlen(s));
}

void text_add_int(struct text *t, int64_t v, int width)
{
    char digits[24];
    char *p = digits + sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
        width--;
    } while (u || (width > 0 && p > digits + 1));
    if (v < 0) {
        *--p = '-';
    }
    text_add_n(t, p, (size_t)(digits + sizeof digits - p));
}

void text_add_hex(struct text *t, uint64_t v)
{
    char digits[16];
    char *p = digits + sizeof digits;
    do {
        *--p = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v);
    text_add_n(t, p, (size_t)(digits + sizeof digits - p));
}

void text_add_escaped(struct text *t, char byte)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char c = (unsigned char)byte;
    bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
                 c == '_' || c == '-';
    const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
    text_add_n(t, plain ? &byte : escape, plain ? 1 : 3);
}

/* The length of the valid sequence that begins at p, where n bytes are left; 0 = there is none. The
 * bounds of the second byte exclude overlong forms, surrogates, and what lies beyond U+10FFFF. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    unsigned char lead = p[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0xc2 || lead > 0xf4 || length > n || p[1] < least || p[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (p[i] >> 6 != 2) {
            return 0;
        }
    }
    return length;
}

void text_make_utf8(char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length((const unsigned char *)text + i, n - i);
        if (length == 0) {
            text[i] = '?';
        }
        i += length ? length : 1;
    }
}

bool text_read_int(const char **s, int64_t *v)
{
    const char *p = *s;
    bool negative = *p == '-';
    p += negative;
    if (*p < '0' || *p > '9') {
        return false;
    }
    int64_t n = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n)) {
            return false;
        }
    }
    *v = negative ? -n : n;
    *s = p;
    return true;
}

bool text_read_hex(const char **s, uint64_t *v)
{
    const char *p = *s;
    uint64_t n = 0;
    int digits = 0;
    for (;; p++, digits++) {
        int d;
        if (*p >= '0' && *p <= '9') {
            d = *p - '0';
        } else if (*p >= 'a' && *p <= 'f') {
            d = *p - 'a' + 10;
        } else if (*p >= 'A' && *p <= 'F') {
            d = *p - 'A' + 10;
        } else {
            break;
        }
        if (n >> 60) {
            return false;
        }
        n = n << 4 | (unsigned)d;
    }
    *v = n;
    *s = p;
    return digits > 0;
}
