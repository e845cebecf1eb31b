/* SPDX-License-Identifier: MIT
 *
 * The memory of label sets: blocks that are used again, but only ever as label sets. So a thread
 * with a stale pointer to a set may still read its count of references (labels_of_thread()), and a
 * program that makes a million sets a second needs memory only for those that it holds at a time.
 * Locks: LOCK_LABELS, only tried, because the code that a handler interrupted may hold it.
 * SIGNAL_SAFE.
 */
#ifndef COLLECTORS_LABELS_POOL_H
#define COLLECTORS_LABELS_POOL_H

#include "collectors/base/abi.h"

/* The beginning of every block. */
struct labels_block {
    uint32_t refs; /* 0 = free */
    uint32_t size_class;
    struct labels_block *next; /* of a free block: the next one on its list */
};

/* A block of at least so many bytes, contents undefined but for size_class. NULL: no memory, or
 * more than LABELS_BYTES_MAX. */
enum { LABELS_BYTES_MAX = 1 << 20 };
SIGNAL_SAFE struct labels_block *labels_pool_take(size_t bytes);
SIGNAL_SAFE void labels_pool_give_back(struct labels_block *b);

/* In a forked child: empties the lists that a thread of the parent was changing. */
void labels_pool_fork_child(void);

#endif
