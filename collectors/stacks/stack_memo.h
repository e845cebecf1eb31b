/* SPDX-License-Identifier: MIT
 *
 * The stack of the program's caller, for events that happen again and again at one place of a
 * thread, as waits for locks do. If the words of the stack that the last walk read are unchanged,
 * which is compared word by word (unwind_proof.h), the stack is the one of the last time.
 *
 * collectors/waits/contention_count.c calls these functions, in the thread that the memo belongs
 * to, and never inside a call that a signal has interrupted. A memo takes one of a fixed number of
 * proofs when it meets the same stack the second time in a row; if all are taken, each stack is
 * walked. No locks.
 */
#ifndef COLLECTORS_STACK_MEMO_H
#define COLLECTORS_STACK_MEMO_H

#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "collectors/stacks/unwind_proof.h"

/* Walks the stack from these registers, and proves it if it is the one of the last time. */
SIGNAL_SAFE COLD const struct stack *stack_memo_walk(struct stack_memo *memo,
                                                     const struct regs *from);

/* As stack_of_caller(). Inlined, so that there is one frame of this library less to compare. */
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

/* At the end of the memo's thread: gives its proof back. */
SIGNAL_SAFE void stack_memo_drop(struct stack_memo *memo);

/* In a forked child: gives back the proofs of threads that the child does not have. */
void stack_memo_fork_child(void);

#endif
