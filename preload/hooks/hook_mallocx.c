/* SPDX-License-Identifier: MIT
 *
 * jemalloc's extended interface. A program that calls it has linked jemalloc as a rule, and
 * jemalloc's definitions come after ours. If there are none (a program may have a weak reference,
 * and find it defined only because we define it), the calls are served by malloc and its kin, with
 * the flags for alignment and zeroing.
 *
 * The pointers are looked up at the first call, because few programs call any. Any thread; a thread
 * may hold any lock of the program's.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/heap/heap.h"
#include "preload/hooks/real.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

EXPORT void *mallocx(size_t n, int flags);
EXPORT void *rallocx(void *p, size_t n, int flags);
EXPORT size_t xallocx(void *p, size_t n, size_t extra, int flags);
EXPORT size_t sallocx(const void *p, int flags);
EXPORT void dallocx(void *p, int flags);
EXPORT void sdallocx(void *p, size_t n, int flags);
EXPORT size_t nallocx(size_t n, int flags);

#define FIELD(symbol) __typeof__(symbol) *symbol;
struct mallocx_family {
    INTERPOSED_MALLOCX(FIELD)
};

/* ---- without jemalloc; flags: log2 of the alignment in the low six bits, MALLOCX_ZERO = 64 ----
 *
 * By the functions that the program's own calls of malloc and its kin end in: the program may free
 * such a block by free(), which may be its own. Not by ours, in which the block would be sampled a
 * second time. */

enum { LG_ALIGN_MASK = 63, ZERO = 64 };

#define PROGRAMS(symbol) (real_before.symbol ? real_before.symbol : real_alloc.symbol)

static void *plain_mallocx(size_t n, int flags)
{
    size_t align = (size_t)1 << (flags & LG_ALIGN_MASK);
    void *p = align > 16 ? PROGRAMS(memalign)(align, n) : PROGRAMS(malloc)(n);
    return p && (flags & ZERO) ? memset(p, 0, n) : p;
}

static void *plain_rallocx(void *p, size_t n, int flags)
{
    size_t old = PROGRAMS(malloc_usable_size)(p);
    void *fresh = plain_mallocx(n, flags);
    if (fresh) {
        memcpy(fresh, p, old < n ? old : n);
        PROGRAMS(free)(p);
    }
    return fresh;
}

static size_t plain_xallocx(void *p, size_t n, size_t extra, int flags)
{
    (void)n, (void)extra, (void)flags;
    return PROGRAMS(malloc_usable_size)(p); /* unchanged: malloc cannot grow a block in place */
}

static size_t plain_sallocx(const void *p, int flags)
{
    (void)flags;
    return PROGRAMS(malloc_usable_size)((void *)(uintptr_t)p);
}

static void plain_dallocx(void *p, int flags)
{
    (void)flags;
    PROGRAMS(free)(p);
}

static void plain_sdallocx(void *p, size_t n, int flags)
{
    (void)n, (void)flags;
    PROGRAMS(free)(p);
}

static size_t plain_nallocx(size_t n, int flags)
{
    size_t align = (size_t)1 << (flags & LG_ALIGN_MASK);
    align = align < 16 ? 16 : align;
    return (n + align - 1) & ~(align - 1);
}

#define PLAIN(symbol) .symbol = plain_##symbol,
#define NAME(symbol) #symbol,
static const struct mallocx_family *next_family(void)
{
    static struct mallocx_family jemallocs;
    static const struct mallocx_family plain = {INTERPOSED_MALLOCX(PLAIN)};
    static const struct mallocx_family *chosen;
    const struct mallocx_family *family = LOAD_ACQUIRE(&chosen);
    if (LIKELY(family != NULL)) {
        return family;
    }
    static const char *const names[] = {INTERPOSED_MALLOCX(NAME)};
    void *found[ARRAY_LEN(names)];
    _Static_assert(sizeof found == sizeof jemallocs, "a name for each pointer");
    family = &jemallocs;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        found[i] = libc_find_from(__builtin_return_address(0), names[i]);
        family = found[i] ? family : &plain;
    }
    memcpy(&jemallocs, found, sizeof found);
    STORE_RELEASE(&chosen, family);
    return family;
}

/* ---- the hooks: as in hook_alloc.c ---- */

void *mallocx(size_t n, int flags)
{
    const struct mallocx_family *next = next_family();
    if (LIKELY(!heap_countdown(n)) || !heap_wants(n)) {
        return next->mallocx(n, flags);
    }
    heap_enter();
    void *p = next->mallocx(n, flags);
    heap_leave();
    if (p) {
        heap_allocated(p, n);
    }
    return p;
}

void *rallocx(void *p, size_t n, int flags)
{
    const struct mallocx_family *next = next_family();
    bool counted = heap_countdown(n);
    if (LIKELY(!counted && !live_maybe(p))) {
        return next->rallocx(p, n, flags);
    }
    struct live_object object;
    bool was_sampled = live_maybe(p) && heap_freed(p, &object);
    bool wanted = counted && heap_wants(n);
    heap_enter();
    void *fresh = next->rallocx(p, n, flags);
    heap_leave();
    if (fresh && wanted) {
        heap_allocated(fresh, n);
    } else if (!fresh && was_sampled) {
        heap_unfreed(&object);
    }
    return fresh;
}

/* Resizes a block in place, to between n and n + extra bytes, and returns its size then. If that
 * has changed, it counts as a free and an allocation. */
size_t xallocx(void *p, size_t n, size_t extra, int flags)
{
    const struct mallocx_family *next = next_family();
    size_t before = next->sallocx(p, 0);
    bool counted = heap_countdown(n);
    struct live_object object;
    bool was_sampled = live_maybe(p) && heap_freed(p, &object);
    bool wanted = counted && heap_wants(n);
    size_t after = next->xallocx(p, n, extra, flags);
    if (after == before) { /* it was not resized */
        if (was_sampled) {
            heap_unfreed(&object);
        }
    } else if (wanted) {
        heap_allocated(p, n);
    }
    return after;
}

size_t sallocx(const void *p, int flags)
{
    return next_family()->sallocx(p, flags);
}

void dallocx(void *p, int flags)
{
    struct live_object object;
    if (UNLIKELY(live_maybe(p))) {
        heap_freed(p, &object);
    }
    next_family()->dallocx(p, flags);
}

void sdallocx(void *p, size_t n, int flags)
{
    struct live_object object;
    if (UNLIKELY(live_maybe(p))) {
        heap_freed(p, &object);
    }
    next_family()->sdallocx(p, n, flags);
}

size_t nallocx(size_t n, int flags)
{
    return next_family()->nallocx(n, flags);
}
