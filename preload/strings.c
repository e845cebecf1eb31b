/* SPDX-License-Identifier: MIT
 *
 * The functions of <string.h> and <signal.h> that the library calls, and those that the compiler
 * and the libraries in it call. A program may define any of these names: one that counts, logs or
 * allocates, or one of another meaning. It is called by the program alone then, and not in our
 * handlers, or inside malloc. They are hidden from the program, as all that exports.map does not
 * name.
 *
 * Compiled with flags of its own (Makefile), or the compiler would make calls of memcpy() of the
 * loop in memcpy(). Any context; no thread-local memory.
 */
#include "collectors/base/abi.h"

#include <signal.h>
#include <string.h>

enum { WORD = sizeof(uint64_t), BLOCK = 32 };
typedef uint64_t word __attribute__((may_alias, aligned(1)));
typedef uint64_t block __attribute__((vector_size(BLOCK), may_alias, aligned(1)));

/* ---- memory ---- */

static void copy_up(char *to, const char *from, size_t n)
{
    for (; n >= BLOCK; n -= BLOCK, to += BLOCK, from += BLOCK) {
        *(block *)to = *(const block *)from;
    }
    for (; n >= WORD; n -= WORD, to += WORD, from += WORD) {
        *(word *)to = *(const word *)from;
    }
    while (n-- > 0) {
        *to++ = *from++;
    }
}

static void copy_down(char *to, const char *from, size_t n)
{
    for (; n >= WORD; n -= WORD) {
        *(word *)(to + n - WORD) = *(const word *)(from + n - WORD);
    }
    while (n-- > 0) {
        to[n] = from[n];
    }
}

void *memcpy(void *to, const void *from, size_t n)
{
    copy_up(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from < n) {
        copy_down(to, from, n);
    } else {
        copy_up(to, from, n);
    }
    return to;
}

void *memset(void *to, int c, size_t n)
{
    uint64_t w = 0x0101010101010101ULL * (unsigned char)c;
    block b = {w, w, w, w};
    char *p = to;
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK) {
        *(block *)p = b;
    }
    for (; n >= WORD; n -= WORD, p += WORD) {
        *(word *)p = w;
    }
    while (n-- > 0) {
        *p++ = (char)c;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a;
    const unsigned char *q = b;
    for (; n >= WORD && *(const word *)p == *(const word *)q; n -= WORD) {
        p += WORD;
        q += WORD;
    }
    for (; n > 0; n--, p++, q++) {
        if (*p != *q) {
            return *p - *q;
        }
    }
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;
    for (; n > 0; n--, p++) {
        if (*p == (unsigned char)c) {
            return (void *)(uintptr_t)p; /* NOLINT: as in C */
        }
    }
    return NULL;
}

/* ---- strings ---- */

size_t strlen(const char *s)
{
    const char *p = s;
    while (*p) {
        p++;
    }
    return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t most)
{
    size_t n = 0;
    while (n < most && s[n]) {
        n++;
    }
    return n;
}

char *strcpy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i] || !a[i]) {
            return (unsigned char)a[i] - (unsigned char)b[i];
        }
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
    while (*s != (char)c) {
        if (!*s++) {
            return NULL;
        }
    }
    return (char *)(uintptr_t)s; /* NOLINT: as in C */
}

char *strrchr(const char *s, int c)
{
    for (size_t n = strlen(s) + 1; n > 0; n--) {
        if (s[n - 1] == (char)c) {
            return (char *)(uintptr_t)&s[n - 1]; /* NOLINT: as in C */
        }
    }
    return NULL;
}

size_t strspn(const char *s, const char *accept)
{
    size_t n = 0;
    while (s[n] && strchr(accept, s[n])) {
        n++;
    }
    return n;
}

size_t strcspn(const char *s, const char *reject)
{
    size_t n = 0;
    while (s[n] && !strchr(reject, s[n])) {
        n++;
    }
    return n;
}

char *strstr(const char *s, const char *part)
{
    size_t n = strlen(part);
    for (;; s++) {
        if (strncmp(s, part, n) == 0) {
            return (char *)(uintptr_t)s; /* NOLINT: as in C */
        }
        if (!*s) {
            return NULL;
        }
    }
}

/* ---- sets of signals: the kernel's 64 are the first word ---- */

int sigemptyset(sigset_t *set)
{
    memset(set, 0, sizeof *set);
    return 0;
}

int sigaddset(sigset_t *set, int sig)
{
    *(word *)set |= 1ULL << (sig - 1);
    return 0;
}

int sigismember(const sigset_t *set, int sig)
{
    return (int)(*(const word *)set >> (sig - 1) & 1);
}
