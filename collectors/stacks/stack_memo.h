/* SPDX-License-Identifier: MIT
 *
 * The stack of the program's caller, for what happens again and again in one place of a thread, as
 * waits for locks do: where nothing between there and the thread's first frame has changed since
 * the last time, which is compared word by word (unwind_proof.h), it is the same stack.
 *
 * Called by collectors/waits/contention_count.c, in the thread whose memo it is, never within
 * itself. A memo takes one of a fixed number of proofs when a stack is found the second time; where
 * there is none left, every stack is walked. No locks.
 */
#ifndef COLLECTORS_STACK_MEMO_H
#define COLLECTORS_STACK_MEMO_H

#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "collectors/stacks/unwind_proof.h"

SIGNAL_SAFE COLD const struct stack *stack_memo_walk(struct stack_memo *memo,
                                                     const struct regs *from);

/* As stack_of_caller(). Inlined, for a frame of ours less to be compared. */
SIGNAL_SAFE static inline __attribute__((always_inline)) const struct stack *
stack_of_caller_again(struct stack_memo *memo)
{
    struct regs regs;
    regs_capture(&regs);
    if (LIKELY(memo->proof && proof_holds(memo->proof, &regs, self.stack_hi))) {
        memo->seen = memo->proven;
        return memo->seen;
    }
    return stack_memo_walk(memo, &regs);
}

/* The memo's thread ends: its proof is free for another. */
SIGNAL_SAFE void stack_memo_drop(struct stack_memo *memo);

/* In a forked child: only the calling thread's memos are there. */
void stack_memo_fork_child(void);

#endif
