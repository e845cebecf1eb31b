/* SPDX-License-Identifier: MIT
 *
 * See labels_pool.h. Free blocks of one size are on LISTS lists, each with a lock that is only
 * tried: code that finds a list locked, perhaps by the very code that it has interrupted, goes on
 * to the next one.
 */
#include "collectors/threads/labels_pool.h"

#include "collectors/base/arena.h"
#include "collectors/base/hash.h"
#include "collectors/base/lock.h"

enum {
    SMALLEST = 7, /* 1 << 7 bytes: a few pairs */
    CLASSES = 20 - SMALLEST + 1,
    LISTS = 16,
};
_Static_assert(LABELS_BYTES_MAX == 1 << (SMALLEST + CLASSES - 1), "the largest class");

static struct list {
    struct lock lock;
    struct labels_block *first;
} __attribute__((aligned(CACHE_LINE))) lists[CLASSES][LISTS];

static uint32_t class_of(size_t bytes)
{
    uint32_t c = 0;
    while (((size_t)1 << (SMALLEST + c)) < bytes) {
        c++;
    }
    return c;
}

/* The list where the calling thread begins to look: by its stack, so that threads begin apart. */
static uint32_t first_list(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return (uint32_t)((here >> 16) * HASH_GOLDEN_32 >> 16) % LISTS;
}

struct labels_block *labels_pool_take(size_t bytes)
{
    if (bytes > LABELS_BYTES_MAX) {
        return NULL;
    }
    uint32_t c = class_of(bytes);
    uint32_t from = first_list();
    for (uint32_t i = 0; i < LISTS; i++) {
        struct list *l = &lists[c][(from + i) % LISTS];
        if (!LOAD(&l->first) || !lock_try(&l->lock, LOCK_LABELS)) {
            continue;
        }
        struct labels_block *b = l->first;
        if (b) {
            STORE(&l->first, b->next);
        }
        lock_drop(&l->lock);
        if (b) {
            return b;
        }
    }
    struct labels_block *b = arena_alloc((size_t)1 << (SMALLEST + c));
    if (b) {
        b->size_class = c;
    }
    return b;
}

void labels_pool_give_back(struct labels_block *b)
{
    for (uint32_t i = first_list();; i++) {
        struct list *l = &lists[b->size_class][i % LISTS];
        if (lock_try(&l->lock, LOCK_LABELS)) {
            b->next = l->first;
            STORE(&l->first, b);
            lock_drop(&l->lock);
            return;
        }
        if (i % LISTS == 0) { /* all lists are locked: their holders need the processor */
            sys_call0(SYS_sched_yield);
        }
    }
}

void labels_pool_fork_child(void)
{
    for (int c = 0; c < CLASSES; c++) {
        for (int i = 0; i < LISTS; i++) {
            struct list *l = &lists[c][i];
            if (LOAD(&l->lock.taken)) { /* a thread of the parent was changing the list */
                l->first = NULL;
                lock_drop(&l->lock);
            }
        }
    }
}
