/* SPDX-License-Identifier: MIT
 *
 * Address space for the library's own mappings. The kernel puts a new mapping into the first hole
 * that is large enough, which often is the one that the program has just left by munmap(): the
 * program could then read there, or fail to map its memory at the same place again. So a range is
 * reserved before main(), without memory and without access, and pieces of it are given out. Called
 * by sys_map() and sys_unmap() alone, and by the hook of the calls that limit a process's memory.
 *
 * Lock-free, SIGNAL_SAFE, for any thread and for the processes that share this memory. A forked
 * child goes on with its copy.
 */
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

#include "collectors/base/abi.h"

/* Reserves the first range. Until then, and where it fails, reserve_take() finds nothing. */
void reserve_start(void);

/* Zeroed memory of the range; NULL: there is no room, or no memory. When a range is used up another
 * one is reserved, unless the process's address space is limited. */
SIGNAL_SAFE void *reserve_take(size_t bytes);

/* Gives memory of that many bytes back to the kernel, and its addresses to the range. False: p is
 * not of a range. */
SIGNAL_SAFE bool reserve_give(void *p, size_t bytes);

/* Gives what is not in use back for good, and reserves no more: the program is about to limit its
 * address space, or to lock all of it in memory. */
SIGNAL_SAFE void reserve_release(void);

#endif
