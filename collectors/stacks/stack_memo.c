/* SPDX-License-Identifier: MIT
 *
 * See stack_memo.h.
 */
#include "collectors/stacks/stack_memo.h"

enum { PROOFS = 256 };

static struct proof proofs[PROOFS];
static struct stack_memo *owners[PROOFS]; /* of the proofs; NULL = free */

/* A free proof, or NULL. A thread that ended without stack_memo_drop() has left its proof to the
 * next thread whose memo lies at the same address. */
static struct proof *proof_take(struct stack_memo *memo)
{
    for (int i = 0; i < PROOFS; i++) {
        if (LOAD(&owners[i]) == memo) {
            return &proofs[i];
        }
    }
    for (int i = 0; i < PROOFS; i++) {
        struct stack_memo *seen = LOAD(&owners[i]);
        if (!seen && CAS(&owners[i], &seen, memo)) {
            return &proofs[i];
        }
    }
    return NULL;
}

/* Making a proof costs as much as a walk. So it is made only for a stack that was found twice in a
 * row, and kept when other stacks come in between. */
const struct stack *stack_memo_walk(struct stack_memo *memo, const struct regs *from)
{
    struct stack_bounds bounds = stack_own_bounds();
    const struct stack *s = stack_of_caller_at(from, &bounds);
    bool again = s && s == memo->seen;
    memo->seen = s;
    if (again && !memo->proof) {
        memo->proof = proof_take(memo);
    }
    if (again && memo->proof) {
        memo->proof->n = 0;
        memo->proven = s;
        proof_make(memo->proof, from, &bounds);
        memo->proven = s; /* again: a signal handler may have set it to its own stack meanwhile */
    }
    return s;
}

void stack_memo_drop(struct stack_memo *memo)
{
    if (memo->proof) {
        ptrdiff_t i = memo->proof - proofs;
        memo->proof = NULL;
        STORE_RELEASE(&owners[i], NULL);
    }
}

void stack_memo_fork_child(void)
{
    for (int i = 0; i < PROOFS; i++) {
        bool mine = owners[i] == &self.last_block.stack || owners[i] == &self.last_mutex.stack;
        if (owners[i] && !mine) {
            owners[i] = NULL;
        }
    }
}
