/* SPDX-License-Identifier: MIT
 *
 * The memory of label sets: blocks that are handed out again, but only ever as label sets. So who
 * holds a stale pointer to one may still read its count of references (labels.h), and a program
 * that makes a million sets a second needs memory for those it holds at a time. SIGNAL_SAFE: no
 * lock is waited for that this thread may hold.
 */
#ifndef COLLECTORS_LABELS_POOL_H
#define COLLECTORS_LABELS_POOL_H

#include "collectors/base/abi.h"

/* What every block begins with. */
struct labels_block {
    uint32_t refs; /* 0 = free */
    uint32_t size_class;
    struct labels_block *next; /* of those that are free */
};

/* A block of at least so many bytes, contents undefined but for size_class. NULL: no memory, or
 * more than LABELS_BYTES_MAX. */
enum { LABELS_BYTES_MAX = 1 << 20 };
SIGNAL_SAFE struct labels_block *labels_pool_take(size_t bytes);
SIGNAL_SAFE void labels_pool_give_back(struct labels_block *b);

/* In a forked child. */
void labels_pool_fork_child(void);

#endif
