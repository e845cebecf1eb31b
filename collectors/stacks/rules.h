/* SPDX-License-Identifier: MIT
 *
 * Where the unwinder's rules come from: libunwind, asked through a remote cursor on ourselves for
 * one step from made-up registers, so that its answer names the places it read instead of their
 * contents. Called by collectors/stacks/unwind.c on the first visit of a pc, and for the frames
 * that no simple rule describes.
 */
#ifndef COLLECTORS_RULES_H
#define COLLECTORS_RULES_H

#include "collectors/stacks/regs.h"
#include "collectors/stacks/rules_generation.h"

/* How to get from a frame to its caller. The return address lies
 * ARCH_RETURN_BELOW_CFA under the CFA, and the caller's sp is
 * the CFA: rules for which that is not so are RULE_SLOW. */
enum rule_kind {
    RULE_NONE, /* no call frame information here: the walk cannot go on */
    RULE_SP,   /* CFA = sp + cfa_offset, a positive multiple of words */
    RULE_BP,   /* CFA = bp + cfa_offset */
    RULE_END,  /* the outermost frame of the thread */
    RULE_SLOW, /* an expression, a realigned stack, a signal frame: step by libunwind */
    RULE_BUSY, /* the lock could not be had in bounded time: not to be remembered */
    /* In no module: not to be remembered, because asking is cheap (no lock, no system call) and a
     * library may be loaded there later. */
    RULE_NOWHERE,
};

struct rule {
    uint8_t kind;       /* enum rule_kind */
    bool bp_saved;      /* the caller's bp lies at CFA + bp_offset; else it is unchanged */
    int32_t cfa_offset; /* bytes */
    int32_t bp_offset;  /* bytes, whole words */
};

/* What the rule table can hold of |bp_offset|; |cfa_offset| may be anything of its type. Compilers
 * save bp within some words of the CFA. */
#define RULE_BP_OFFSET_MAX (2047 * 8)

/* Finds libunwind, and maps it: at_once, or when the first rule is asked for (which a process that
 * may be over in a millisecond prefers). Constructor only. 0, or -errno: then every walk ends after
 * its leaf. */
int rules_start(bool at_once);

/* The rule in force for the instruction at pc (an exact address: stored pc − 1). Takes the rules
 * lock with all signals blocked, for microseconds; runs on a stack of its own. foreign: see
 * struct stack_bounds. SIGNAL_SAFE. */
SIGNAL_SAFE struct rule rules_find(uintptr_t pc, bool foreign);

/* One step of libunwind with the real registers and memory, every load of which goes through
 * load(arg, address, &word) (false = unreadable). in: the frame, pc as stored; registers that it
 * does not know are marked in in->lost. out: its caller, likewise. 1 = stepped, 0 = outermost
 * frame, -ENODATA = the step depends on a register that is lost, other -errno = cannot.
 * *signal_frame says that `in` was the frame of a signal trampoline, so that out->pc is an
 * interrupted instruction (already stored as pc + 1). SIGNAL_SAFE. */
SIGNAL_SAFE int rules_step(const struct regs *in, struct regs *out, const struct stack_memory *mem,
                           bool foreign, bool *signal_frame);

/* In a forked child. If another thread was inside libunwind while the address space was copied, the
 * child maps it anew. (Not held over the fork: a thread that holds what fork waits for, malloc's
 * arenas say, could not get on, because its samples would wait for us.) */
void rules_fork_child(void);

#endif
