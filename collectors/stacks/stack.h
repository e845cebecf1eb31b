/* SPDX-License-Identifier: MIT
 *
 * Capturing the program's call stack at an event: a walk (unwind.h), less the frames that are this
 * library's, kept in the store (collectors/tables/stack_store.h). Hooks and signal handlers call
 * it; SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_STACK_H
#define COLLECTORS_STACK_H

#include "collectors/stacks/regs.h"
#include "collectors/tables/stack_store.h"

/* Frames kept of a stack (PPROF_DEPTH), at most STACK_DEPTH_MAX. Constructor only. */
enum { STACK_DEPTH_MAX = 512 };
void stack_start(int depth);

/* The stack that called into this library, without the library's own frames and without those of
 * the program's operator new (see stack_hide): its leaf is the program's caller. NULL when there
 * is no memory to keep it; never empty. */
SIGNAL_SAFE const struct stack *stack_of_caller(void);

/* The stack of interrupted code. Time inside this library has the leaf PSEUDO_SELF. */
SIGNAL_SAFE const struct stack *stack_of_context(const struct regs *regs,
                                                 const struct stack_bounds *bounds);

/* The same above so many frames of the program's; PSEUDO_SKIPPED where there are no more. */
SIGNAL_SAFE const struct stack *stack_of_caller_above(int skip);

/* The same from a frame of ours, whose registers these are, on the calling thread's stack. */
SIGNAL_SAFE const struct stack *stack_of_caller_at(const struct regs *regs,
                                                   const struct stack_bounds *bounds);

/* Where a thread is, for a picture of it: as stack_of_context, but what it waits for inside a hook
 * of this library is shown, without the hook. */
SIGNAL_SAFE const struct stack *stack_of_thread(const struct regs *regs,
                                                const struct stack_bounds *bounds);

/* Frames whose pc lies in [lo, hi) are hidden where they are the leaves of an allocation: the
 * allocation operators that forward to malloc. At most 32 ranges; rarely called. */
void stack_hide(uintptr_t lo, uintptr_t hi);

/* In a forked child: walks of threads that are not there hold nothing. */
void stack_fork_child(void);

/* Bounds of the calling thread's stack as its struct self knows them. */
SIGNAL_SAFE struct stack_bounds stack_own_bounds(void);

/* Put on functions of ours that stand below the program's frames (thread starts, wrapped callers):
 * their frames are left out wherever they appear, and end no run of hidden leaves. */
#define BELOW_PROGRAM __attribute__((section("pprof_below"), noinline))

#endif
