/* SPDX-License-Identifier: MIT
 *
 * Modules that were unloaded. An address in a kept stack means the module that was loaded there
 * when the stack was taken; after a dlclose another module may be loaded at the same addresses, or
 * none. So the modules that are unloaded are listed here, and the stored pcs of stacks that are
 * taken at such addresses later are marked in the bits above the address (PC_MODULE_SHIFT):
 *
 * - 0, no mark: the first module that was ever unloaded from this address; if none was, the module
 *   that is there at the time of the dump;
 * - n: module number n of this file's list of known modules;
 * - PC_NO_MODULE: code of no loaded module, of a JIT compiler for example.
 *
 * So a module that is loaded again at its old addresses adds to its old stacks, and one that
 * replaces it has stacks of its own. A process that unloads nothing pays one test a stack.
 *
 * Not noticed: modules in namespaces of dlmopen, modules that the C library unloads itself (those
 * of iconv), code that was mapped by hand, and a module that is replaced while a stack is walked.
 * Addresses of modules beyond UNLOADED_MAX are PC_NO_MODULE.
 */
#ifndef COLLECTORS_UNLOADED_H
#define COLLECTORS_UNLOADED_H

#include "collectors/snapshot.h"

#include <link.h>

enum { UNLOADED_MAX = 1024 };

/* The hook of dlclose calls these in the program's thread, not in a signal handler: begin; if that
 * is not NULL, dl_iterate_phdr(unloaded_before, look), the real dlclose,
 * dl_iterate_phdr(unloaded_after, look), end.
 * begin: NULL if no stack was kept so far, if there is no memory, or in more dlcloses at once than
 * LOOKS of unloaded.c. */
struct unloaded_look;
struct unloaded_look *unloaded_look_begin(void);
int unloaded_before(struct dl_phdr_info *info, size_t size, void *look);
int unloaded_after(struct dl_phdr_info *info, size_t size, void *look);
void unloaded_look_end(struct unloaded_look *look);

extern HIDDEN uint32_t unloaded_count; /* how many modules were unloaded */

/* Marks those of n stored pcs at whose address a module was unloaded, as said above. Takes no lock;
 * one or two system calls for a module that was not seen there since the last unloading. */
SIGNAL_SAFE void unloaded_mark_slow(uintptr_t *pcs, int n);
SIGNAL_SAFE static inline void unloaded_mark(uintptr_t *pcs, int n)
{
    if (UNLIKELY(LOAD(&unloaded_count))) {
        unloaded_mark_slow(pcs, n);
    }
}

/* The code segments of all modules that were unloaded, in that order, in memory that the caller
 * gives back by sys_unmap(*code, *bytes). Their number, or -ENOMEM. */
long unloaded_snapshot(struct past_code **code, size_t *bytes);

/* In a forked child: ends the dlcloses of threads that the child does not have. */
void unloaded_fork_child(void);

#endif
