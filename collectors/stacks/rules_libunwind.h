/* SPDX-License-Identifier: MIT
 *
 * libunwind as this library uses it: one step of a "remote" cursor on our own process, for which
 * the caller answers every read of a register or of memory. Only rules.c includes this.
 */
#ifndef COLLECTORS_RULES_LIBUNWIND_H
#define COLLECTORS_RULES_LIBUNWIND_H

#include "collectors/stacks/regs.h"
#include "collectors/stacks/rules_module.h"

#include ARCH_LIBUNWIND_H

/* One step that libunwind is asked for. Lives on the private stack, under the rules lock. */
struct query {
    /* The question: the frame's registers by libunwind's numbers; pc is exact. A mask has bit n for
     * register n. */
    uintptr_t reg[ARCH_UNW_REGS];
    uint64_t known;
    uint64_t wanted; /* the registers of the caller that are asked for */
    struct stack_memory mem;

    /* The answer: the caller's registers, and why there is none. */
    uintptr_t out[ARCH_UNW_REGS];
    uint64_t out_known;
    bool found;        /* there is call frame information for this pc */
    bool signal_frame; /* the frame was a signal trampoline's */
    bool refused;      /* the step read a register that is not known, or memory that mem refused */
    bool lost;         /* the step read a register that is not known */
    bool expressions;  /* the frame information holds a DWARF expression */

    /* Working state. */
    struct module module;    /* the one that pc lies in; the caller of query_step() sets it */
    uintptr_t word_at, word; /* the last word of frame information read, for its other bytes */
    int reads_left;          /* bounds what hostile frame information can cost */
    bool info_kept;          /* info and info_data hold what an earlier step of this query found */
    unw_proc_info_t info;
    char info_data[256] __attribute__((aligned(16)));
};

/* The private stack: libunwind runs on it alone, under the rules lock, with signals blocked. It
 * needs less than 8 KiB, which is too much for a thread whose whole stack is 16 KiB. */
enum { RULES_STACK_BYTES = 64 << 10 };
extern char rules_stack[RULES_STACK_BYTES];

/* Finds libunwind's file. Constructor only. 0, or -ENOENT. */
int libunwind_find(void);

/* Maps libunwind unless it is mapped; the first query_step() would do so too. On the private stack,
 * or in the constructor. False: it cannot be used. */
bool libunwind_load(void);

/* In a forked child whose parent had a thread inside libunwind: its data may be inconsistent, so
 * that the mapping is never used again, and the next query_step() makes another one. */
void libunwind_forget(void);

/* Makes the step. 1 = stepped, 0 = the frame is the outermost one, negative = there is no step. On
 * the private stack. */
int query_step(struct query *q);

/* The function of a module that pc lies in, by its frame information. On the private stack. */
bool query_function(const struct module *m, uintptr_t pc, uintptr_t *lo, uintptr_t *hi);

#endif
