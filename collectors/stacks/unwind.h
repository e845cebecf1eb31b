/* SPDX-License-Identifier: MIT
 *
 * From a set of registers to the list of return addresses above them: the stack walk. Called on
 * every sample, from hooks inside malloc and from signal handlers at any instruction. On a pc that
 * was seen before it takes no lock, makes no system call and allocates nothing; on a new one it
 * asks collectors/rules.c. It never faults: a load is either inside the thread's known stack or
 * probed first.
 */
#ifndef COLLECTORS_UNWIND_H
#define COLLECTORS_UNWIND_H

#include "collectors/stacks/regs.h"

/* Fills pcs (leaf first) with at most max stored pcs and returns how many. A walk that cannot be
 * proven right to its end has PSEUDO_TRUNCATED as its last frame; one that is cut by max has no
 * such mark. Costs nanoseconds a frame. Memory between from->sp and stack->hi must be mapped when
 * from->sp lies on that stack. SIGNAL_SAFE; writes nothing shared but the rule table. */
SIGNAL_SAFE int unwind(const struct regs *from, const struct stack_bounds *stack, uintptr_t *pcs,
                       int max);

#endif
