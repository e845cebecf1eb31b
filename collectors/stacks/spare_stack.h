/* SPDX-License-Identifier: MIT
 *
 * Stacks of ours for our signal handlers: the thread that was interrupted may have little of its
 * own left, a thread of 16 KiB or a coroutine of fewer, and the program must need no more than the
 * kernel's frame for us. Called by the handlers of preload/hooks/; SIGNAL_SAFE, no lock.
 */
#ifndef COLLECTORS_SPARE_STACK_H
#define COLLECTORS_SPARE_STACK_H

#include "collectors/base/abi.h"

/* Calls fn(arg) on a stack of ours, or on the caller's own where all of ours are in use. The caller
 * has the program's signals blocked, because a handler of the program's must not run there. fn
 * returns, and does not wait for long. */
SIGNAL_SAFE void spare_stack_call(void (*fn)(void *arg), void *arg);

/* From now on fn runs on the caller's stack: valgrind takes the change of stacks for a large frame,
 * and what lies between for undefined. */
void spare_stack_off(void);

/* In a forked child: gives back what threads hold that the child does not have. The caller may be
 * on such a stack itself. */
void spare_stack_fork_child(void);

#endif
