/* SPDX-License-Identifier: MIT
 *
 * One step from a frame that no frame information describes: code made at run time, and code built
 * without it. What such code has for its callers to be found by is the frame pointer; that it has
 * one is believed if it leads to a return address, which is one if a call instruction precedes it.
 * Called by unwind.c; SIGNAL_SAFE, reads only what its caller finds readable.
 */
#ifndef COLLECTORS_UNWIND_BARE_H
#define COLLECTORS_UNWIND_BARE_H

#include "collectors/stacks/regs.h"

/* Nothing is ever mapped below (vm.mmap_min_addr), and pseudo frames have their names there. */
#define PC_MIN ARCH_PAGE_LEAST

struct bare_frame {
    uintptr_t pc, sp, bp; /* pc as stored */
    bool executing;       /* an interrupted instruction, not a return address */
};

enum bare_step {
    BARE_LOST,
    BARE_CALLER,    /* f is the caller: its return address was above a frame pointer */
    BARE_PROLOGUE,  /* f is the caller: it was found before the frame pointer was set, or after */
    BARE_OUTERMOST, /* f was not called: somebody made up its return address */
};
SIGNAL_SAFE enum bare_step bare_step(struct bare_frame *f, const struct stack_memory *mem,
                                     bool foreign);

/* Whether a call instruction precedes a return address. */
SIGNAL_SAFE bool bare_after_call(const struct stack_memory *mem, uintptr_t ret);

#endif
