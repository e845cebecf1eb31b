/* SPDX-License-Identifier: MIT
 *
 * What own_symbols.c and the libraries that it opens (own_symbols_plugin.c) call of each other.
 */
#ifndef TEST_LOADING_OWN_SYMBOLS_H
#define TEST_LOADING_OWN_SYMBOLS_H

#include "../programs/truth.h"

enum { BLOCKS = 400, KINDS = 10 };

/* The sizes differ, so that few blocks are given the address of one that was freed before. */
static inline size_t size_of(int i)
{
    return 200 + (size_t)(i % 20) * 96;
}

/* Notes n requests at a site, of the first n sizes, of which those with an odd number stay. */
static inline void note_half(const char *site, int n)
{
    for (int i = 0; i < n; i++)
        requests(site, size_of(i), 1, i & 1);
}

typedef void *make_function(int kind, size_t n);
typedef void unmake_function(int kind, void *p);

#endif
