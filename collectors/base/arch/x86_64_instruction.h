/* SPDX-License-Identifier: MIT
 *
 * One instruction of x86-64: how long it is, what it does to the stack pointer, and where it
 * continues. For x86_64_frame.c alone. SIGNAL_SAFE; reads only the bytes that it is given.
 */
#ifndef BASE_ARCH_X86_64_INSTRUCTION_H
#define BASE_ARCH_X86_64_INSTRUCTION_H

#include "collectors/base/abi.h"

enum instruction_effect {
    EFFECT_NONE,
    EFFECT_MOVES,          /* sp += value */
    EFFECT_ALIGNS,         /* sp becomes a multiple of value + 1, a power of two, downwards */
    EFFECT_LOWERS,         /* sp is lowered by an amount that is in a register */
    EFFECT_SETS,           /* sp becomes anything, as long as it is below the frame pointer */
    EFFECT_FRAME_BEGINS,   /* bp = sp + value */
    EFFECT_BELOW_FRAME,    /* sp = bp + value */
    EFFECT_FRAME_ENDS,     /* bp is its caller's again */
    EFFECT_BRANCHES,       /* goes on behind it, or value bytes further */
    EFFECT_JUMPS,          /* goes on value bytes behind it */
    EFFECT_JUMPS_ANYWHERE, /* goes on at an address that is in a register or in memory */
    EFFECT_ENDS,           /* a return, or a trap */
};

struct instruction {
    uint32_t length;
    enum instruction_effect effect;
    int32_t value;
};

/* Reads the instruction at `code`, of which `bytes` can be read. False: it is longer, or none. */
bool instruction_read(struct instruction *i, const uint8_t *code, size_t bytes);

#endif
