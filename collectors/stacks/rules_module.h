/* SPDX-License-Identifier: MIT
 *
 * Which loaded object an address lies in, and where its frame information is: asked of the dynamic
 * linker's lock-free table (collectors/base/libc/libc.h). Called by rules.c for each new pc.
 */
#ifndef COLLECTORS_RULES_MODULE_H
#define COLLECTORS_RULES_MODULE_H

#include "collectors/base/abi.h"

struct module {
    uintptr_t lo, hi;     /* from its first byte to its last; there may be holes */
    uintptr_t frame_info; /* its .eh_frame_hdr; 0 = none */
};

/* Notes where the main program's headers are. Constructor only. */
void module_start(void);

/* Fills in the object that pc lies in. False: it lies in none. Takes no lock and needs no thread
 * block. SIGNAL_SAFE. */
SIGNAL_SAFE bool module_find(struct module *m, uintptr_t pc);

#endif
