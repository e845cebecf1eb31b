/* SPDX-License-Identifier: MIT
 *
 * malloc and its kin before they are looked up (real.h). The look-up by dlsym() allocates nothing
 * when it succeeds; should it allocate all the same, it comes back through our malloc on the same
 * thread and is served from a small static block. A block handed out there carries sticky bits in
 * the filter of live.h, so that free() recognises it on its slow path and no fast path has to.
 */
#include "preload/hooks/real.h"

#include "collectors/heap/live.h"

#include <errno.h>
#include <string.h>

THREAD_LOCAL bool real_resolving;

/* ---- bootstrap memory ---- */

enum { BOOTSTRAP_BYTES = 64 << 10 };
static char bootstrap[BOOTSTRAP_BYTES] __attribute__((aligned(16)));
static size_t bootstrap_used;

/* Each block is preceded by its size in 16 bytes. */
static void *bootstrap_alloc(size_t n, size_t align)
{
    align = align < 16 ? 16 : align;
    size_t take = n + align + 16;
    size_t at = take < n ? BOOTSTRAP_BYTES : ADD(&bootstrap_used, (take + 15) & ~15UL);
    if (at + take > BOOTSTRAP_BYTES || at + take < at) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t p = ((uintptr_t)bootstrap + at + 16 + align - 1) & ~(align - 1);
    char *block = bootstrap + (p - (uintptr_t)bootstrap);
    memcpy(block - 16, &n, sizeof n);
    live_mark(block);
    return block;
}

bool real_is_bootstrap(const void *p)
{
    return (uintptr_t)p - (uintptr_t)bootstrap < BOOTSTRAP_BYTES;
}

size_t real_bootstrap_size(const void *p)
{
    size_t n;
    memcpy(&n, (const char *)p - 16, sizeof n);
    return n;
}

/* ---- stubs: the first call of each function, or one made by the look-up itself ---- */

static void *boot_malloc(size_t n)
{
    if (real_resolving) {
        return bootstrap_alloc(n, 16);
    }
    real_start();
    return real_alloc.malloc(n);
}

static void boot_free(void *p)
{
    if (!real_resolving && !real_is_bootstrap(p)) {
        real_start();
        real_alloc.free(p);
    }
}

static void *boot_calloc(size_t n, size_t size)
{
    if (real_resolving) {
        size_t bytes;
        if (__builtin_mul_overflow(n, size, &bytes)) {
            errno = ENOMEM;
            return NULL;
        }
        return bootstrap_alloc(bytes, 16); /* handed out once: still zero */
    }
    real_start();
    return real_alloc.calloc(n, size);
}

static void *boot_realloc(void *p, size_t n)
{
    if (real_resolving) {
        void *fresh = bootstrap_alloc(n, 16);
        if (p && fresh) {
            size_t old = real_bootstrap_size(p);
            memcpy(fresh, p, old < n ? old : n);
        }
        return fresh;
    }
    real_start();
    return real_alloc.realloc(p, n);
}

static int boot_posix_memalign(void **out, size_t align, size_t n)
{
    if (real_resolving) {
        *out = bootstrap_alloc(n, align);
        return *out ? 0 : ENOMEM;
    }
    real_start();
    return real_alloc.posix_memalign(out, align, n);
}

static void *boot_aligned_alloc(size_t align, size_t n)
{
    if (real_resolving) {
        return bootstrap_alloc(n, align);
    }
    real_start();
    return real_alloc.aligned_alloc(align, n);
}

static void *boot_memalign(size_t align, size_t n)
{
    if (real_resolving) {
        return bootstrap_alloc(n, align);
    }
    real_start();
    return real_alloc.memalign(align, n);
}

static size_t boot_malloc_usable_size(void *p)
{
    if (real_is_bootstrap(p)) {
        return real_bootstrap_size(p);
    }
    real_start();
    return real_alloc.malloc_usable_size(p);
}

#define STUBBED(field, symbol, version) .field = boot_##field,
struct real_alloc real_alloc __attribute__((aligned(CACHE_LINE))) = {INTERPOSED_ALLOC(STUBBED)};
_Static_assert(sizeof(struct real_alloc) == CACHE_LINE, "the hot pointers are one cache line");
