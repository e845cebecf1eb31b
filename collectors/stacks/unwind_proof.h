/* SPDX-License-Identifier: MIT
 *
 * The proof of a stack: the words of the stack that a walk read on its way from a frame to the
 * outermost one, each with its place. As long as all of them are unchanged, a walk from the same
 * frame finds the same stack. Comparing them takes one load and one comparison a word, and no rule,
 * table, copy or hash.
 *
 * proof_make() takes them from the trail of a walk that has just ended (unwind_trail.h). A proof
 * belongs to one thread, so there is no lock. stack_memo.c calls both functions. SIGNAL_SAFE, but a
 * signal handler that interrupts proof_make() must not use that proof.
 */
#ifndef COLLECTORS_UNWIND_PROOF_H
#define COLLECTORS_UNWIND_PROOF_H

#include "collectors/stacks/regs.h"
#include "collectors/stacks/rules_generation.h"
#include "collectors/stacks/unwind_trail.h"

enum { PROOF_WORDS = 192, PROOF_STEP = 4 };

struct proof {
    uint32_t n;                    /* words in use, a multiple of PROOF_STEP; 0 = no proof */
    uint32_t generation;           /* rules_generation() of the walk */
    uintptr_t pc, sp, bp, bp_mask; /* of the first frame; bp_mask 0: its bp may be any */
    uintptr_t top;                 /* the end of the thread's stack */
    uint64_t word[PROOF_WORDS];    /* as trail_words() tells them */
} __attribute__((aligned(CACHE_LINE)));

/* 0 if that word of the stack, counted from the first frame's sp, is unchanged. */
static inline __attribute__((always_inline, no_sanitize_thread)) uint64_t
proof_differs(const volatile uintptr_t *stack, uint64_t word)
{
    return stack[word >> TRAIL_PLACE_SHIFT] ^ (word & ((1UL << TRAIL_PLACE_SHIFT) - 1));
}

/* Whether a walk of the proof's thread from these registers, on its stack up to top, would find the
 * proven stack again. False where that is not certain. */
static inline __attribute__((always_inline, no_sanitize_thread)) bool
proof_holds(const struct proof *p, const struct regs *from, uintptr_t top)
{
    if (((p->pc ^ from->pc) | (p->sp ^ from->sp) | (p->top ^ top)) != 0 ||
        ((p->bp ^ from->bp) & p->bp_mask) != 0 || p->generation != rules_generation()) {
        return false;
    }
    const volatile uintptr_t *stack = (const uintptr_t *)from->sp; /* NOLINT: made of integers */
    uint64_t differs = p->n == 0;
    for (const uint64_t *w = p->word; w < p->word + p->n; w += PROOF_STEP) {
        /* PROOF_STEP words a branch: after a thread has slept, branches are not predicted. */
        differs |= proof_differs(stack, w[0]) | proof_differs(stack, w[1]);
        differs |= proof_differs(stack, w[2]) | proof_differs(stack, w[3]);
    }
    return differs == 0;
}

/* Makes the proof of the stack that unwind(from, stack) has just found in the calling thread. p->n
 * is 0, so that it holds for nothing, where from->sp is not on the thread's own stack, where the
 * walk did not reach the outermost frame by rules alone, and where there are more words than
 * PROOF_WORDS or one is further up than 16 bits of words. */
SIGNAL_SAFE COLD void proof_make(struct proof *p, const struct regs *from,
                                 const struct stack_bounds *stack);

#endif
