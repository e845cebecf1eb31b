/* SPDX-License-Identifier: MIT
 *
 * The proof of a stack: the words that a walk from a frame was led by, each with its place. As long
 * as they are all there, a walk from the same frame finds the same stack, and to know that takes
 * one comparison a word: no rule, no table, nothing copied or hashed.
 *
 * Made from the trail of a walk that has just ended (unwind_trail.h), and belongs to one thread:
 * no lock. Called by stack_memo.c. SIGNAL_SAFE, but a handler must not use the proof that it
 * interrupts the making of.
 */
#ifndef COLLECTORS_UNWIND_PROOF_H
#define COLLECTORS_UNWIND_PROOF_H

#include "collectors/stacks/regs.h"
#include "collectors/stacks/rules_generation.h"
#include "collectors/stacks/unwind_trail.h"

enum { PROOF_WORDS = 192, PROOF_STEP = 4 };

struct proof {
    uint32_t n;                    /* words, a multiple of PROOF_STEP; 0 = it proves nothing */
    uint32_t generation;           /* of the rules */
    uintptr_t pc, sp, bp, bp_mask; /* the first frame's; bp counts as far as the mask says */
    uintptr_t top;                 /* of the thread's stack */
    uint64_t word[PROOF_WORDS];    /* as trail_words() tells them */
} __attribute__((aligned(CACHE_LINE)));

/* 0 where that word of the stack is as it was. */
static inline __attribute__((always_inline, no_sanitize_thread)) uint64_t
proof_differs(const volatile uintptr_t *stack, uint64_t word)
{
    return stack[word >> TRAIL_PLACE_SHIFT] ^ (word & ((1UL << TRAIL_PLACE_SHIFT) - 1));
}

/* Would a walk from there, on that thread's stack up to top, find the proven stack once more? */
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
        /* Four at a time: after a thread has slept, the first branches are not yet predicted. */
        differs |= proof_differs(stack, w[0]) | proof_differs(stack, w[1]);
        differs |= proof_differs(stack, w[2]) | proof_differs(stack, w[3]);
    }
    return differs == 0;
}

/* Proves what unwind(from, stack) has just found. Proves nothing, n = 0, where the stack is not
 * the thread's own, its outermost frame was not reached by rules alone, or the words are too many
 * or too far up. */
SIGNAL_SAFE COLD void proof_make(struct proof *p, const struct regs *from,
                                 const struct stack_bounds *stack);

#endif
