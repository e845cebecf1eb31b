/* SPDX-License-Identifier: MIT
 *
 * What a stack walk starts from, and what it may assume of the memory that it reads: plain data and
 * its makers, shared by all files of the unwinder and by those that start walks. SIGNAL_SAFE.
 */
#ifndef COLLECTORS_REGS_H
#define COLLECTORS_REGS_H

#include "collectors/base/arch/arch.h"

/* The registers of a frame: the stack and frame pointers, and what the ABI lets a callee save,
 * because the rule of a frame may be an expression over any of them.
 *
 * pc is a "stored pc", as all frames of a walk are: a return address as it is, an interrupted
 * instruction plus one, so that stored pc − 1 always lies inside the instruction that was
 * executing. Values below PSEUDO_PC_LIMIT are no addresses but names, see collectors/snapshot.h. */
struct regs {
    uintptr_t pc; /* from here on ARCH_WORDS words as arch.h has them */
    uintptr_t sp;
    uintptr_t bp;
    uintptr_t saved[ARCH_SAVED];
    uint32_t lost; /* enum regs_lost: those whose value is not known; pc and sp always are */
    /* The ucontext of interrupted code, for the registers that a call need not keep: hand-written
     * assembly may hold its CFA or return address there. NULL where a call has been made since. */
    const void *context;
};
_Static_assert(offsetof(struct regs, lost) == ARCH_WORDS * sizeof(uintptr_t), "arch_capture");

/* Bit 0: bp; bit i + 1: saved[i]. */
enum regs_lost {
    LOST_BP = 1 << 0,
    LOST_SAVED = 1 << 1,
    LOST_ALL_BUT_BP = LOST_SAVED * ((1 << ARCH_SAVED) - 1),
};

/* The registers where this is inlined. */
static inline __attribute__((always_inline)) void regs_capture(struct regs *r)
{
    arch_capture(&r->pc);
    r->pc += 1; /* an exact pc: stored plus one */
    r->lost = 0;
    r->context = NULL;
}

/* The registers of interrupted code, from the third argument of a signal handler. */
SIGNAL_SAFE static inline void regs_from_context(struct regs *r, const void *ucontext)
{
    arch_context_words(ucontext, &r->pc);
    r->pc += 1;
    r->lost = 0;
    r->context = ucontext;
}

struct search_room;

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
    /* Room to find out a frame pointer that is not known (unwind_search.h), and the thread's start
     * routine, 0 = not known; for copies alone. NULL: do not try. */
    struct search_room *room;
    uintptr_t start;
};

/* How a step of a walk reads memory: load(arg, address, &word), false = it cannot be read. */
struct stack_memory {
    bool (*load)(void *arg, uintptr_t addr, uintptr_t *word);
    void *arg;
};

#endif
