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

#include "collectors/base/abi.h"

/* The registers a walk starts from: the stack and frame pointers and what the System V ABI lets a
 * callee save, because a frame of the slow path may be defined by any of them. */
struct regs {
    uintptr_t pc;
    uintptr_t sp;
    uintptr_t bp;
    uintptr_t bx;
    uintptr_t r12, r13, r14, r15;
    uint32_t lost; /* enum regs_lost: those whose value is not known; pc and sp always are */
    /* The ucontext of interrupted code, for the registers that a call need not keep: hand-written
     * assembly may hold its CFA or return address there. NULL where a call has been made since. */
    const void *context;
};
enum regs_lost {
    LOST_BP = 1 << 0,
    LOST_BX = 1 << 1,
    LOST_R12 = 1 << 2,
    LOST_R13 = 1 << 3,
    LOST_R14 = 1 << 4,
    LOST_R15 = 1 << 5,
    LOST_ALL_BUT_BP = LOST_BX | LOST_R12 | LOST_R13 | LOST_R14 | LOST_R15,
};

/* Frames of a walk are "stored pcs": a return address as it is, an interrupted instruction plus
 * one, so that stored pc − 1 always lies inside the instruction that was executing. Values below
 * PSEUDO_PC_LIMIT are no addresses but names, see collectors/snapshot.h. */

/* What the walker may assume of the memory it reads. */
struct stack_bounds {
    uintptr_t lo, hi; /* the thread's own stack [lo, hi); 0,0 = unknown: every page is probed */
    bool foreign;     /* no thread block of its own: libunwind needs a borrowed one */
    /* The number of the thread's trail (unwind_trail.h), 0 at first; NULL = walk without. */
    uint32_t *trail;
    /* Another thread's stack: a copy of [copy_lo, copy_hi), which is read instead, while lo and hi
     * are 0; all other memory is read by the kernel, for it may go at any moment. NULL = none. */
    const char *copy;
    uintptr_t copy_lo, copy_hi;
};

/* The registers of the caller of this macro's surroundings, taken in place. */
static inline __attribute__((always_inline)) void regs_capture(struct regs *r)
{
    __asm__ volatile("lea 0(%%rip), %%rax\n"
                     "mov %%rax, 0(%0)\n"
                     "mov %%rsp, 8(%0)\n"
                     "mov %%rbp, 16(%0)\n"
                     "mov %%rbx, 24(%0)\n"
                     "mov %%r12, 32(%0)\n"
                     "mov %%r13, 40(%0)\n"
                     "mov %%r14, 48(%0)\n"
                     "mov %%r15, 56(%0)\n"
                     :
                     : "r"(r)
                     : "rax", "memory");
    r->pc += 1; /* an exact pc: stored plus one */
    r->lost = 0;
    r->context = NULL;
}

/* The registers of interrupted code, from the third argument of a signal handler; pc is already a
 * stored pc. */
SIGNAL_SAFE void regs_from_context(struct regs *r, const void *ucontext);

/* Fills pcs (leaf first) with at most max stored pcs and returns how many. A walk that cannot be
 * proven right to its end has PSEUDO_TRUNCATED as its last frame; one that is cut by max has no
 * such mark. Costs nanoseconds a frame. Memory between from->sp and stack->hi must be mapped when
 * from->sp lies on that stack. SIGNAL_SAFE; writes nothing shared but the rule table. */
SIGNAL_SAFE int unwind(const struct regs *from, const struct stack_bounds *stack, uintptr_t *pcs,
                       int max);

#endif
