/* SPDX-License-Identifier: MIT
 *
 * Memory that is never given back: stacks, buckets, rules. A bump pointer over chunks that are
 * mapped from the kernel, so that a record can be made in a signal handler, inside malloc, or in a
 * thread with a tiny stack. Lock-free; SIGNAL_SAFE.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "collectors/base/abi.h"

/* Zeroed memory, aligned to 16 bytes. NULL when the kernel has none, or when the arena would pass 1
 * GiB: the caller then counts its event as lost. */
SIGNAL_SAFE void *arena_alloc(size_t bytes);

/* Bytes handed out so far, rounded up to 16 each. */
size_t arena_used(void);

#endif
