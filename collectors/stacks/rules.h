/* SPDX-License-Identifier: MIT
 *
 * Where the unwinder's rules come from: libunwind steps once from a frame with made-up registers,
 * so that its answer names the places that it read instead of their contents. unwind.c and
 * unwind_bare.c call rules_find() for a pc that the table has no rule for, and unwind.c calls
 * rules_step() for a frame that no simple rule describes.
 */
#ifndef COLLECTORS_RULES_H
#define COLLECTORS_RULES_H

#include "collectors/stacks/regs.h"
#include "collectors/stacks/rules_generation.h"

/* How to get from a frame to its caller. The return address lies
 * ARCH_RETURN_BELOW_CFA under the CFA, and the caller's sp is
 * the CFA: rules for which that is not so are RULE_SLOW. */
enum rule_kind {
    RULE_NONE, /* there is no call frame information for this pc */
    RULE_SP,   /* CFA = sp + cfa_offset, a positive multiple of words */
    RULE_BP,   /* CFA = bp + cfa_offset */
    RULE_END,  /* the outermost frame of the thread */
    RULE_SLOW, /* an expression, a realigned stack, a signal frame: step by libunwind */
    RULE_BUSY, /* unknown, because the rules lock was held for too long: not to be remembered */
    /* The pc is in no module. Not to be remembered, because asking again is cheap (no lock, no
     * system call), and a library may be loaded there later. */
    RULE_NOWHERE,
};

struct rule {
    uint8_t kind;       /* enum rule_kind */
    bool bp_saved;      /* the caller's bp lies at CFA + bp_offset; else it is unchanged */
    int32_t cfa_offset; /* bytes */
    int32_t bp_offset;  /* bytes, whole words */
};

/* The largest |bp_offset| that the rule table can hold; |cfa_offset| may be any value of its type.
 * Compilers save bp within some words of the CFA. */
#define RULE_BP_OFFSET_MAX (2047 * 8)

/* Finds libunwind's file, and maps it: now if at_once, else when the first rule is asked for, which
 * is better for a process that may end within a millisecond. Constructor only. 0, or -errno; in
 * that case every walk ends after its leaf. */
int rules_start(bool at_once);

/* The rule for a frame whose thread is about to execute, or is inside, the instruction at pc (an
 * exact address: stored pc − 1). Takes the rules lock, with all signals blocked, for microseconds;
 * waits for it at most 0.1 s. Works on a stack of its own. foreign: see struct stack_bounds.
 * SIGNAL_SAFE. */
SIGNAL_SAFE struct rule rules_find(uintptr_t pc, bool foreign);

/* One step of libunwind with the real registers, and with memory as mem reads it. in: the frame;
 * out: its caller. 1 = stepped; 0 = `in` is the outermost frame; -ENODATA = the step depends on a
 * register that is marked in in->lost; another -errno = there is no step, or the rules lock was
 * held for too long (-EBUSY). *signal_frame: `in` is the frame that the kernel makes for a signal
 * handler, so that out->pc is an interrupted instruction plus one. Lock, stack and foreign as in
 * rules_find(). SIGNAL_SAFE. */
SIGNAL_SAFE int rules_step(const struct regs *in, struct regs *out, const struct stack_memory *mem,
                           bool foreign, bool *signal_frame);

/* The function that an exact pc lies in, by its frame information. False: there is none. Lock,
 * stack and foreign as in rules_find(). SIGNAL_SAFE. */
SIGNAL_SAFE bool rules_function(uintptr_t pc, bool foreign, uintptr_t *lo, uintptr_t *hi);

/* In a forked child. If another thread was inside libunwind when the address space was copied, the
 * child maps libunwind anew. (The forking thread does not take the rules lock instead: fork waits
 * for locks, malloc's for example, and a sample in the thread that holds one would then wait for
 * the forking thread.) */
void rules_fork_child(void);

#endif
