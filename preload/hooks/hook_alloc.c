/* SPDX-License-Identifier: MIT
 *
 * The C allocation functions, as the program calls them. An unsampled allocation subtracts its size
 * from the thread's countdown and jumps to the real malloc; an unsampled free tests one bit of
 * live.h's filter and jumps to the real free. Neither asks whether the library is ready: the
 * countdown of a new thread is 0, which leads to the slow path, and a pointer of real_alloc that is
 * not looked up yet leads to a stub (real_alloc.c).
 *
 * The slow paths record around the real call: an object's record is taken out before the real free,
 * because another thread may be given the address as soon as the real free has it. errno is left as
 * the real function set it.
 *
 * Runs in any thread at any time, also before our constructor and after our destructor, and inside
 * the program's signal handlers. Takes no lock of its own.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "collectors/heap/heap.h"
#include "preload/hooks/real.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void *malloc_slow(size_t n);
static void free_slow(void *p);

EXPORT HOT void *malloc(size_t n)
{
    if (heap_countdown(n)) {
        return malloc_slow(n);
    }
    return real_alloc.malloc(n);
}

EXPORT HOT void free(void *p)
{
    if (UNLIKELY(live_maybe(p))) {
        return free_slow(p);
    }
    real_alloc.free(p);
}

/* ---- the sampled paths ---- */

static COLD void *malloc_slow(size_t n)
{
    if (!heap_wants(n)) {
        return real_alloc.malloc(n);
    }
    heap_enter();
    void *p = real_alloc.malloc(n);
    heap_leave();
    if (p) {
        heap_allocated(p, n);
    }
    return p;
}

static COLD void free_slow(void *p)
{
    struct live_object object;
    if (real_is_bootstrap(p)) {
        return;
    }
    if (!heap_freed(p, &object)) {
        real_alloc.free(p);
        return;
    }
    heap_enter();
    real_alloc.free(p);
    heap_leave();
    heap_free_ends(&object);
}

static COLD void *calloc_slow(size_t count, size_t size, size_t n)
{
    if (!heap_wants(n)) {
        return real_alloc.calloc(count, size);
    }
    heap_enter();
    void *p = real_alloc.calloc(count, size);
    heap_leave();
    if (p) {
        heap_allocated(p, n);
    }
    return p;
}

EXPORT HOT void *calloc(size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n)) {
        return real_alloc.calloc(count, size); /* which fails, and sets errno */
    }
    if (heap_countdown(n)) {
        return calloc_slow(count, size, n);
    }
    return real_alloc.calloc(count, size);
}

static COLD void *realloc_bootstrap(void *p, size_t n)
{
    size_t old = real_bootstrap_size(p);
    void *fresh = malloc(n);
    if (fresh) {
        memcpy(fresh, p, old < n ? old : n);
    }
    return fresh;
}

/* realloc is a free and an allocation; when it fails, the old object was not freed. counted: the
 * countdown has run out, so that the new object may be sampled. */
static COLD void *realloc_slow(void *p, size_t n, bool counted)
{
    struct live_object object;
    if (real_is_bootstrap(p)) {
        return realloc_bootstrap(p, n);
    }
    bool was_sampled = live_maybe(p) && heap_freed(p, &object);
    bool wanted = counted && heap_wants(n);
    heap_enter();
    void *fresh = real_alloc.realloc(p, n);
    heap_leave();
    if (fresh && wanted) {
        heap_allocated(fresh, n);
    } else if (!fresh && was_sampled && n != 0) { /* where n is 0, NULL means that p was freed */
        heap_unfreed(&object);
    }
    return fresh;
}

EXPORT HOT void *realloc(void *p, size_t n)
{
    bool counted = heap_countdown(n);
    if (UNLIKELY(counted || live_maybe(p))) {
        return realloc_slow(p, n, counted);
    }
    return real_alloc.realloc(p, n);
}

/* Around a real function that may be made of others of this family: libc's reallocarray() calls the
 * first realloc(), which is ours. What it calls takes nothing off the thread's countdown, and is
 * not sampled. */
static uint64_t enter_family(void)
{
    uint64_t left = self.heap_left;
    self.heap_left = left ? ~0ULL : 0;
    heap_enter();
    return left;
}

static void leave_family(uint64_t left)
{
    heap_leave();
    self.heap_left = left;
}

EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
    size_t n;
    if (real_before.realloc || __builtin_mul_overflow(count, size, &n)) {
        return real_other.reallocarray(p, count, size);
    }
    if (real_is_bootstrap(p)) {
        return realloc_bootstrap(p, n);
    }
    struct live_object object;
    bool was_sampled = live_maybe(p) && heap_freed(p, &object);
    bool wanted = heap_countdown(n) && heap_wants(n);
    uint64_t left = enter_family();
    void *fresh = real_other.reallocarray(p, count, size);
    leave_family(left);
    if (fresh && wanted) {
        heap_allocated(fresh, n);
    } else if (!fresh && was_sampled && n != 0) {
        heap_unfreed(&object);
    }
    return fresh;
}

/* ---- aligned ---- */

static COLD void *aligned_slow(void *(*real)(size_t, size_t), size_t align, size_t n)
{
    if (!heap_wants(n)) {
        return real(align, n);
    }
    heap_enter();
    void *p = real(align, n);
    heap_leave();
    if (p) {
        heap_allocated(p, n);
    }
    return p;
}

EXPORT void *aligned_alloc(size_t align, size_t n)
{
    if (heap_countdown(n)) {
        return aligned_slow(real_alloc.aligned_alloc, align, n);
    }
    return real_alloc.aligned_alloc(align, n);
}

EXPORT void *memalign(size_t align, size_t n)
{
    if (heap_countdown(n)) {
        return aligned_slow(real_alloc.memalign, align, n);
    }
    return real_alloc.memalign(align, n);
}

/* valloc() and pvalloc() of the next object. Where that is libc, and memalign() is an allocator's
 * that lacks them (jemalloc has no pvalloc), they are made of memalign(), because the allocator's
 * free() does not know libc's blocks. */
static void *pages(void *(*real)(size_t), size_t n, size_t rounded)
{
    struct libc_object of_real;
    struct libc_object of_memalign;
    if (!libc_object_find(&of_real, (uintptr_t)real) ||
        !libc_object_find(&of_memalign, (uintptr_t)real_alloc.memalign) ||
        (libc_object_is_libc(&of_real) && !libc_object_is_libc(&of_memalign))) {
        return memalign(PAGE_BYTES, rounded);
    }
    bool wanted = heap_countdown(rounded) && heap_wants(rounded);
    uint64_t left = enter_family();
    void *p = real(n);
    leave_family(left);
    if (p && wanted) {
        heap_allocated(p, rounded);
    }
    return p;
}

EXPORT void *valloc(size_t n)
{
    return pages(real_other.valloc, n, n);
}

EXPORT void *pvalloc(size_t n)
{
    size_t rounded;
    if (__builtin_add_overflow(n, PAGE_BYTES - 1, &rounded)) {
        errno = ENOMEM;
        return NULL;
    }
    return pages(real_other.pvalloc, n, rounded & ~(PAGE_BYTES - 1));
}

static COLD int posix_memalign_slow(void **out, size_t align, size_t n)
{
    if (!heap_wants(n)) {
        return real_alloc.posix_memalign(out, align, n);
    }
    heap_enter();
    int err = real_alloc.posix_memalign(out, align, n);
    heap_leave();
    if (err == 0 && *out) {
        heap_allocated(*out, n);
    }
    return err;
}

EXPORT int posix_memalign(void **out, size_t align, size_t n)
{
    if (heap_countdown(n)) {
        return posix_memalign_slow(out, align, n);
    }
    return real_alloc.posix_memalign(out, align, n);
}

/* ---- the rest ---- */

EXPORT size_t malloc_usable_size(void *p)
{
    if (UNLIKELY(live_maybe(p)) && real_is_bootstrap(p)) {
        return real_bootstrap_size(p);
    }
    return real_alloc.malloc_usable_size(p);
}

/* C23. The size only helps the allocator, and older allocators lack the functions: free() does as
 * well with any of them. It must be the one that the program calls. */
static void free_of_program(void *p)
{
    if (real_before.free) {
        real_before.free(p);
    } else {
        free(p);
    }
}

EXPORT void free_sized(void *p, size_t n)
{
    (void)n;
    free_of_program(p);
}

EXPORT void free_aligned_sized(void *p, size_t align, size_t n)
{
    (void)align, (void)n;
    free_of_program(p);
}
