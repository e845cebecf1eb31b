/* SPDX-License-Identifier: MIT
 *
 * Memory that is never given back: stacks, buckets, rules. A bump pointer over chunks that come
 * straight from the kernel, so that a record can be made in a signal handler, inside malloc, or in
 * a thread that has no stack to speak of. Lock-free; SIGNAL_SAFE.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "collectors/base/abi.h"

/* Zeroed memory, aligned to 16 bytes. NULL when the kernel has none or the cap is reached: the
 * caller counts what it loses. */
SIGNAL_SAFE void *arena_alloc(size_t bytes);

/* Bytes handed out so far. */
size_t arena_used(void);

#endif
