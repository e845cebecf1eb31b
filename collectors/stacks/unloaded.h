/* SPDX-License-Identifier: MIT
 *
 * Code that has left the process. An address in a kept stack means the module that was there when
 * the stack was taken; after a dlclose another may be loaded at the same place, or none. What
 * leaves is remembered here, and addresses where something has left are told apart. A stored pc
 *
 * - as it is means the first module that was ever unloaded from that place, or what is there now if
 *   nothing has been;
 * - with n above the address (PC_MODULE_SHIFT), the module of number n in this file's table, seen
 * there later;
 * - with PC_NO_MODULE there, code that is no loaded module's (a JIT's, say).
 *
 * So a module that comes back to its place keeps its stacks, one that replaces it has its own, and
 * a process that unloads nothing pays a test per stack.
 *
 * Not seen: modules of dlmopen's namespaces, modules that the C library unloads by itself
 * (iconv's), what was mapped by hand, the replacement of a module while a stack is walked, and what
 * exceeds UNLOADED_MAX modules: that is PC_NO_MODULE.
 */
#ifndef COLLECTORS_UNLOADED_H
#define COLLECTORS_UNLOADED_H

#include "collectors/snapshot.h"

#include <link.h>

enum { UNLOADED_MAX = 1024 };

/* Around the program's dlclose, in its thread, not in a handler: */
struct unloaded_look;
/* NULL where there is nothing to remember it for. */
struct unloaded_look *unloaded_look_begin(void);
/* For dl_iterate_phdr, with a look: before the real dlclose, and after it. */
int unloaded_before(struct dl_phdr_info *info, size_t size, void *look);
int unloaded_after(struct dl_phdr_info *info, size_t size, void *look);
void unloaded_look_end(struct unloaded_look *look);

extern HIDDEN uint32_t unloaded_count; /* of modules that have left */

/* Marks the stored pcs at whose place something has left. Lock-free. */
SIGNAL_SAFE void unloaded_mark_slow(uintptr_t *pcs, int n);
SIGNAL_SAFE static inline void unloaded_mark(uintptr_t *pcs, int n)
{
    if (UNLIKELY(LOAD(&unloaded_count))) {
        unloaded_mark_slow(pcs, n);
    }
}

/* The code segments of all that has left, in the order in which it left, in memory to be given back
 * by sys_unmap(*code, *bytes). Their number, or -ENOMEM. */
long unloaded_snapshot(struct past_code **code, size_t *bytes);

/* In a forked child: looks of threads that are not there have ended. */
void unloaded_fork_child(void);

#endif
