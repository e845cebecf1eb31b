/* SPDX-License-Identifier: MIT
 * A program that brings its own malloc, as one with a statically linked allocator does: its malloc
 * wins over any preloaded one. Run by e2e/heap_order.py.
 */
#include "truth.h"
#include <errno.h>

static char memory[64 << 20] __attribute__((aligned(16)));
static size_t used;
static long calls;

#define OWN __attribute__((noipa))

OWN void *malloc(size_t size)
{
    size_t whole = (size + 31) & ~(size_t)15;
    calls++;
    size_t at = __atomic_fetch_add(&used, whole, __ATOMIC_RELAXED);
    if (at + whole > sizeof memory) {
        errno = ENOMEM;
        return NULL;
    }
    *(size_t *)(memory + at) = size;
    return memory + at + 16;
}

OWN void free(void *p)
{
    (void)p;
}

OWN void *calloc(size_t n, size_t size)
{
    return malloc(n * size); /* the pool is never used twice, so its memory is zero */
}

OWN void *realloc(void *p, size_t size)
{
    void *q = malloc(size);
    if (p != NULL && q != NULL) {
        size_t old = *(size_t *)((uintptr_t)p - 16);
        memcpy(q, p, old < size ? old : size);
    }
    return q;
}

OWN void *aligned_alloc(size_t alignment, size_t size)
{
    uintptr_t p = (uintptr_t)malloc(size + alignment);
    return (void *)((p + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

int main(void)
{
    char *p = NULL;
    for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1) {
        p = realloc(p, size);
        keep(p);
        p[size - 1] = 1;
    }
    must(calls > 20, "the program's own malloc serves it");
    printf("unharmed\n");
    return 0;
}
