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
 * the program's operator new (see stack_hide): its leaf is the program's function that made the
 * call. NULL: no memory to keep it. Never empty. */
SIGNAL_SAFE const struct stack *stack_of_caller(void);

/* The stack of interrupted code. If that is this library's, the leaf is PSEUDO_SELF. NULL: no
 * memory. */
SIGNAL_SAFE const struct stack *stack_of_context(const struct regs *regs,
                                                 const struct stack_bounds *bounds);

/* As stack_of_caller(), without the first `skip` frames of the program; PSEUDO_SKIPPED alone if the
 * stack has no more frames than that. */
SIGNAL_SAFE const struct stack *stack_of_caller_above(int skip);

/* As stack_of_caller(), from the registers of a frame of this library on the calling thread's
 * stack. */
SIGNAL_SAFE const struct stack *stack_of_caller_at(const struct regs *regs,
                                                   const struct stack_bounds *bounds);

/* Where a thread is, for the profile of all threads: as stack_of_context(), but frames of this
 * library are left out wherever they are. Of a thread that waits in libc, called by a hook, libc's
 * frames and the program's are shown. */
SIGNAL_SAFE const struct stack *stack_of_thread(const struct regs *regs,
                                                const struct stack_bounds *bounds);

/* The same of a thread that is inside a function, which begins at `leaf`: regs are the registers of
 * that function's caller. */
SIGNAL_SAFE const struct stack *stack_of_thread_in(uintptr_t leaf, const struct regs *regs,
                                                   const struct stack_bounds *bounds);

/* The stack s with one frame more, its new leaf: a function that begins at `leaf`. s itself where
 * there is no memory. */
SIGNAL_SAFE COLD const struct stack *stack_in(const struct stack *s, uintptr_t leaf);

/* From now on stack_of_caller() leaves out frames whose pc lies in [lo, hi), if they are the first
 * of the program's: its allocation operators that call malloc. At most 32 ranges, further ones are
 * ignored. One thread at a time. */
void stack_hide(uintptr_t lo, uintptr_t hi);

/* In a forked child: gives back what walks of threads hold that the child does not have. */
void stack_fork_child(void);

/* The bounds of the calling thread's stack, from its struct self. */
SIGNAL_SAFE struct stack_bounds stack_own_bounds(void);

/* For functions of ours that call the program (thread starts, wrapped callbacks): their frames are
 * left out wherever they are in a stack, and do not count as time inside this library. */
#define BELOW_PROGRAM __attribute__((section("pprof_below"), noinline))

#endif
