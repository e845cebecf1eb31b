/* SPDX-License-Identifier: MIT
 *
 * A library that own_symbols.c opens: it allocates and frees by every function there is, each at a
 * site of its own. Built as C, and as C++ with PLUS for the operators new and delete.
 */
#include "own_symbols.h"

#include <malloc.h>

#ifdef __cplusplus
#define PUBLIC extern "C"
#else
#define PUBLIC
#endif

#define MADE(site, call)                                                                           \
    SITE void *site(size_t n)                                                                      \
    {                                                                                              \
        void *p = call;                                                                            \
        keep(p);                                                                                   \
        return p;                                                                                  \
    }

static void *by_posix(size_t n)
{
    void *p;
    return posix_memalign(&p, 64, n) == 0 ? p : NULL;
}

MADE(site_malloc, malloc(n))
MADE(site_calloc, calloc(n / 8, 8))
MADE(site_realloc, realloc(malloc(16), n))
MADE(site_posix, by_posix(n))
MADE(site_aligned, aligned_alloc(64, n))
MADE(site_memalign, memalign(64, n))
MADE(site_valloc, valloc(n))
MADE(site_array, reallocarray(NULL, n / 8, 8))
MADE(site_shrunk, realloc(malloc(n + 4096), n))
#ifdef PLUS
MADE(site_new, ::operator new(n))
#else
MADE(site_new, malloc(n))
#endif

static void *(*const makers[KINDS])(size_t) = {
    site_malloc,   site_calloc, site_realloc, site_posix,  site_aligned,
    site_memalign, site_valloc, site_array,   site_shrunk, site_new,
};

PUBLIC __attribute__((constructor)) void allocate_early(void)
{
    keep(malloc(777));
    free(malloc(778));
}

PUBLIC void *plugin_make(int kind, size_t n)
{
    return makers[kind](n);
}

PUBLIC void plugin_unmake(int kind, void *p)
{
#ifdef PLUS
    if (kind == KINDS - 1) {
        ::operator delete(p);
        return;
    }
#endif
    (void)kind;
    free(p);
}
