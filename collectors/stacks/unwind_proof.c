/* SPDX-License-Identifier: MIT
 *
 * See unwind_proof.h.
 */
#include "collectors/stacks/unwind_proof.h"

void proof_make(struct proof *p, const struct regs *from, const struct stack_bounds *stack)
{
    const struct trail_frame f = {from->pc, from->sp, from->bp};
    const uint32_t generation = rules_generation();
    bool own = f.sp >= stack->lo && f.sp < stack->hi && stack->trail && *stack->trail != 0;
    bool bp_counts = false;
    uint32_t n = own ? trail_words(*stack->trail, generation, stack->hi, &f, p->word, PROOF_WORDS,
                                   &bp_counts)
                     : 0;
    p->pc = f.pc;
    p->sp = f.sp;
    p->bp = f.bp;
    p->bp_mask = bp_counts ? UINTPTR_MAX : 0;
    p->top = stack->hi;
    p->generation = generation;
    for (; n % PROOF_STEP != 0; n++) {
        p->word[n] = p->word[n - 1];
    }
    STORE_RELEASE(&p->n, n);
}
