/* SPDX-License-Identifier: MIT
 *
 * One step from a frame that no frame information describes: code made at run time, and code built
 * without frame information. Its caller can be found only if the code keeps a frame pointer. The
 * value of bp is taken for a frame pointer if the word above it is a return address, and a word is
 * taken for a return address if a call instruction ends there. Called by unwind.c; SIGNAL_SAFE;
 * reads memory only by the caller's struct stack_memory.
 */
#ifndef COLLECTORS_UNWIND_BARE_H
#define COLLECTORS_UNWIND_BARE_H

#include "collectors/stacks/regs.h"

/* Nothing is ever mapped below (vm.mmap_min_addr): smaller values are numbers of pseudo frames. */
#define PC_MIN ARCH_PAGE_LEAST

struct bare_frame {
    uintptr_t pc, sp, bp; /* pc as stored */
    bool executing;       /* pc is an interrupted instruction plus one, not a return address */
};

/* What bare_step() has made of *f. */
enum bare_step {
    BARE_LOST,      /* unchanged: no caller was found */
    BARE_CALLER,    /* the caller, whose pc was found above the frame pointer */
    BARE_PROLOGUE,  /* the caller; *f had not yet set up its frame pointer, or no longer */
    BARE_OUTERMOST, /* unchanged: no call made this frame; its pc was put there by makecontext, or
                       it is the dynamic linker's, at the process's start */
};
/* foreign: see struct stack_bounds. */
SIGNAL_SAFE enum bare_step bare_step(struct bare_frame *f, const struct stack_memory *mem,
                                     bool foreign);

/* Whether a call instruction ends at ret, so that ret can be a return address. */
SIGNAL_SAFE bool bare_after_call(const struct stack_memory *mem, uintptr_t ret);

#endif
