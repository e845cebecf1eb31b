/* SPDX-License-Identifier: MIT
 *
 * An allocator that is preloaded behind the profiler. It never uses memory twice.
 * e2e/library_deepbind.py links it so that its symbols lie in one segment with its code, as linkers
 * do it for some processors. As in an allocator of some size, the two are pages apart.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

enum { SPACE = 512 << 20, HEAD = 16 };

static char space[SPACE] __attribute__((aligned(4096)));
static size_t used;

/* A page of names. */
#define LONG_NAMES(x)                                                                              \
    char x##1111111111222222222233333333334444444444555555555566666666667777777777888888888899;    \
    char x##1111111111222222222233333333334444444444555555555566666666667777777777888888888800;
#define MANY(x) LONG_NAMES(x##a) LONG_NAMES(x##b) LONG_NAMES(x##c) LONG_NAMES(x##d)
#define VERY_MANY(x) MANY(x##a) MANY(x##b) MANY(x##c) MANY(x##d)
VERY_MANY(named_1_)
VERY_MANY(named_2_)
VERY_MANY(named_3_)

void *memalign(size_t align, size_t n)
{
    align = align < HEAD ? HEAD : align;
    size_t at = __atomic_fetch_add(&used, HEAD + n + 2 * align, __ATOMIC_RELAXED);
    if (n > SPACE || at + HEAD + n + 2 * align > SPACE) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t p = ((uintptr_t)space + at + HEAD + align - 1) & ~(align - 1);
    ((size_t *)p)[-1] = n;
    return (void *)p;
}

void *malloc(size_t n)
{
    return memalign(HEAD, n);
}

void *calloc(size_t count, size_t size)
{
    size_t n;
    return __builtin_mul_overflow(count, size, &n) ? NULL : malloc(n); /* never used before */
}

void free(void *p)
{
    (void)p;
}

void *realloc(void *p, size_t n)
{
    void *fresh = malloc(n);
    if (p && fresh) {
        size_t old = ((size_t *)p)[-1];
        memcpy(fresh, p, old < n ? old : n);
    }
    return fresh;
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    *out = memalign(align, n);
    return *out ? 0 : ENOMEM;
}

void *valloc(size_t n)
{
    return memalign(4096, n);
}

void *pvalloc(size_t n)
{
    return memalign(4096, (n + 4095) & ~(size_t)4095);
}

size_t malloc_usable_size(void *p)
{
    return p ? ((size_t *)p)[-1] : 0;
}
