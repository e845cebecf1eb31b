/* SPDX-License-Identifier: MIT
 *
 * The store of call stacks: one copy of each distinct stack for the life of the process, so that a
 * stack is known by its address. Hooks, signal handlers and our processes add to it and read it; no
 * lock, nothing is ever changed or freed. SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_STACK_STORE_H
#define COLLECTORS_STACK_STORE_H

#include "collectors/snapshot.h"

/* The kept copy of a stack given as stored pcs, leaf first; depth >= 1. NULL: no memory. */
SIGNAL_SAFE const struct stack *stack_keep(const uintptr_t *pcs, int depth);

/* Whether any stack has been kept. */
SIGNAL_SAFE bool stack_any(void);

/* A stack of the one pseudo frame pc; always there, never NULL. */
SIGNAL_SAFE const struct stack *stack_pseudo(enum pseudo_pc pc);

#endif
