/* SPDX-License-Identifier: MIT
 *
 * Which loaded object an address lies in, by the dynamic linker's own lock-free table.
 */
#ifndef COLLECTORS_RULES_MODULE_H
#define COLLECTORS_RULES_MODULE_H

#include "collectors/base/abi.h"

struct module {
    uintptr_t lo, hi;     /* from its first byte to its last; there may be holes */
    uintptr_t frame_info; /* its .eh_frame_hdr; 0 = none */
};

/* Remembers where the program's own headers are. Constructor only. */
void module_start(void);

/* The object that pc lies in, if any. Lock-free, no thread block needed, SIGNAL_SAFE. */
SIGNAL_SAFE bool module_find(struct module *m, uintptr_t pc);

#endif
