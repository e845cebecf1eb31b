/* SPDX-License-Identifier: MIT
 *
 * What the code at a frame's pc tells about the frame, without any register: the function and its
 * rule, how far the frame pointer lies above the stack pointer, and which function was called
 * there. Called by unwind_search.c; SIGNAL_SAFE. Asking for a new pc takes the rules lock, and
 * follows the function's code, which is microseconds; the facts are kept in the caller's memory for
 * the time of one picture.
 */
#ifndef COLLECTORS_UNWIND_FACTS_H
#define COLLECTORS_UNWIND_FACTS_H

#include "collectors/stacks/rules.h"

struct facts {
    uintptr_t pc; /* as stored; 0 = this element is free */
    bool executing;
    bool function;    /* lo and hi are known */
    bool depth_known; /* depth is: its slack may be ARCH_SLACK_ANY nevertheless */
    bool called;      /* a call instruction ends at pc */
    bool indirect;    /* ... and may be one whose target the code does not name */
    uint32_t generation;
    uintptr_t lo, hi; /* the function */
    struct rule rule;
    struct arch_depth depth;
    uintptr_t callee; /* the function that the call names; 0 = none */
};

enum { FACTS = 512, FACTS_CODE_BYTES = 32 << 10 };

/* Memory for one search at a time; zeros at first. */
struct facts_room {
    struct facts kept[FACTS];
    struct {
        uintptr_t function; /* 0 = this element is free */
        bool only_named;
    } named[16]; /* what facts_is_only_named() has found out */
    uint32_t named_next;
    size_t named_bytes; /* how much it has looked at */
    uint8_t code[FACTS_CODE_BYTES];
    struct arch_depth states[FACTS_CODE_BYTES + 1];
};

/* The facts of a pc as stored, valid until the next call. executing: it is the pc of an interrupted
 * instruction plus one, no return address. Never NULL; where nothing is known, nothing is set. */
SIGNAL_SAFE const struct facts *facts_of(struct facts_room *room, uintptr_t pc, bool executing,
                                         bool foreign);

/* Does a call instruction end at this address, in a module? */
SIGNAL_SAFE bool facts_maybe_return(uintptr_t pc);

/* May the function that begins at this address end by a jump to another one? */
SIGNAL_SAFE bool facts_may_jump_out(struct facts_room *room, uintptr_t function, bool foreign);

/* Is the function that begins at this address only ever called by instructions that name it? Then
 * no code of its module jumps to it or makes its address, no word there holds it, and it has no
 * name by which other modules could ask for it. A millisecond for each MiB of the module. */
SIGNAL_SAFE bool facts_is_only_named(struct facts_room *room, uintptr_t function, uintptr_t end);

/* Is this code of the C library's? */
SIGNAL_SAFE bool facts_is_libc(uintptr_t pc);

/* The program's main; 0 = not known. */
SIGNAL_SAFE uintptr_t facts_main(void);

#endif
