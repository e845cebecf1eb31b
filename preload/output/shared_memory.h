/* SPDX-License-Identifier: MIT
 *
 * Does the program that a helper was made for still run in the helper's memory? It may have become
 * another program by an exec that went past our hooks, which has a memory of its own. Called in the
 * scribe: raw system calls only.
 */
#ifndef PRELOAD_SHARED_MEMORY_H
#define PRELOAD_SHARED_MEMORY_H

#include "collectors/base/abi.h"

/* Has a thread of process `pid` the calling process's memory? True also where the kernel does not
 * say. */
bool shared_memory_with(int pid);

#endif
