/* SPDX-License-Identifier: MIT
 *
 * The frame pointer of a frame whose thread sleeps, found out from the copy of the thread's stack:
 * the kernel does not tell this register, and functions that keep a frame pointer have frame
 * information that starts from it. It is only told where it can be proven; doc/stacks.md says how.
 * Called by unwind.c. SIGNAL_SAFE; takes the rules lock.
 */
#ifndef COLLECTORS_UNWIND_SEARCH_H
#define COLLECTORS_UNWIND_SEARCH_H

#include "collectors/stacks/unwind_facts.h"

/* Memory for searches, one at a time: zeros at first. */
struct search_room {
    struct facts_room facts;
};

struct search_frame {
    uintptr_t pc, sp; /* pc as stored */
    bool executing;   /* pc is an interrupted instruction plus one, not a return address */
};

/* Finds out the frame pointer of the frame f. stack: with a copy, and room. mem: reads its thread's
 * memory. False: it cannot be proven. */
SIGNAL_SAFE bool search_bp(const struct stack_bounds *stack, const struct stack_memory *mem,
                           const struct search_frame *f, uintptr_t *bp);

#endif
