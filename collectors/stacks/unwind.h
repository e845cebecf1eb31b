/* SPDX-License-Identifier: MIT
 *
 * The stack walk: from a set of registers to the list of return addresses above them. stack.c calls
 * it for every sample, from hooks inside malloc and from signal handlers at any instruction. For a
 * pc that was seen before the walk takes no lock, makes no system call and allocates nothing; for a
 * new one it asks rules.c, which takes the rules lock. The walk never faults: it reads only inside
 * the thread's known stack, or where it has asked the kernel whether the page can be read.
 */
#ifndef COLLECTORS_UNWIND_H
#define COLLECTORS_UNWIND_H

#include "collectors/stacks/regs.h"

/* Fills pcs (leaf first) with at most max stored pcs and returns how many. The last one is
 * PSEUDO_TRUNCATED where the walk could not go on to the outermost frame; a walk that ends because
 * pcs is full has no mark. Costs nanoseconds a frame. If from->sp lies in [stack->lo, stack->hi),
 * the memory from there up to stack->hi must be mapped. SIGNAL_SAFE; of what threads share, the
 * walk writes only the rule table. */
SIGNAL_SAFE int unwind(const struct regs *from, const struct stack_bounds *stack, uintptr_t *pcs,
                       int max);

#endif
