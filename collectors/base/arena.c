/* SPDX-License-Identifier: MIT
 *
 * See arena.h. There is one current chunk; a thread for which it has no room left maps the next
 * one. Two threads may do so at once: one of the two chunks becomes the current one, the other goes
 * back to the kernel.
 */
#include "collectors/base/arena.h"

#include "collectors/base/sys.h"

enum {
    CHUNK_MIN = 256 << 10,
    CHUNK_MAX = 4 << 20,
};
/* A profiler that needs more would do the program more harm than good. */
#define ARENA_CAP (1UL << 30)

struct chunk {
    size_t size; /* bytes of the mapping, this header included */
    size_t used; /* may exceed size: the allocations that went beyond it failed */
};

static struct chunk *current;
static size_t mapped;
static size_t handed_out;

static void *chunk_take(struct chunk *c, size_t bytes)
{
    size_t at = ADD(&c->used, bytes);
    return at + bytes <= c->size ? (char *)c + at : NULL;
}

static COLD void *arena_grow(struct chunk *full, size_t bytes)
{
    size_t size = full ? full->size * 2 : CHUNK_MIN;
    size = size > CHUNK_MAX ? CHUNK_MAX : size;
    while (size < bytes + CACHE_LINE) {
        size *= 2;
    }
    if (LOAD(&mapped) + size > ARENA_CAP) {
        return NULL;
    }
    struct chunk *fresh = sys_map(size);
    if (!fresh) {
        return NULL;
    }
    fresh->size = size;
    fresh->used = CACHE_LINE + bytes;
    struct chunk *seen = full;
    if (CAS(&current, &seen, fresh)) {
        ADD(&mapped, size);
        return (char *)fresh + CACHE_LINE;
    }
    sys_unmap(fresh, size);
    return chunk_take(seen, bytes);
}

void *arena_alloc(size_t bytes)
{
    if (bytes > ARENA_CAP) {
        return NULL;
    }
    bytes = (bytes + 15) & ~15UL;
    ADD(&handed_out, bytes);
    for (int tries = 0; tries < 8; tries++) {
        struct chunk *c = LOAD_ACQUIRE(&current);
        void *p = c ? chunk_take(c, bytes) : NULL;
        p = p ? p : arena_grow(c, bytes);
        if (p) {
            return p;
        }
        if (c == LOAD(&current)) {
            return NULL; /* there is no memory; else another thread has made a chunk */
        }
    }
    return NULL;
}

size_t arena_used(void)
{
    return LOAD(&handed_out);
}
