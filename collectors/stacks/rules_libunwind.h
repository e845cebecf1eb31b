/* SPDX-License-Identifier: MIT
 *
 * libunwind as this library uses it: one step of a remote cursor on ourselves, from registers and
 * memory that the caller answers for. Nothing but collectors/stacks/rules.c includes this.
 */
#ifndef COLLECTORS_RULES_LIBUNWIND_H
#define COLLECTORS_RULES_LIBUNWIND_H

#include "collectors/stacks/regs.h"
#include "collectors/stacks/rules_module.h"

#include ARCH_LIBUNWIND_H

/* One question. Lives on the private stack, under the rules lock. */
struct query {
    /* Asked: the frame. pc is exact. Registers by libunwind's numbers, those in the mask known. */
    uintptr_t reg[ARCH_UNW_REGS];
    uint64_t known;
    uint64_t wanted; /* the caller's registers to be found */
    struct stack_memory mem;

    /* Answered. */
    uintptr_t out[ARCH_UNW_REGS];
    uint64_t out_known;
    bool found;        /* there is call frame information for this pc */
    bool signal_frame; /* the frame was a signal trampoline's */
    bool refused;      /* the step wanted a register or memory that was not to be had */
    bool lost;         /* ... a register not in the mask known */
    bool expressions;  /* the frame information computes something */

    /* Of one question. */
    struct module module;
    uintptr_t word_at, word; /* frame information is read byte by byte, in words: the last one */
    int reads_left;          /* bounds what hostile frame information can cost */
    bool info_kept;          /* info and its data are valid: ask again without searching */
    unw_proc_info_t info;
    char info_data[256] __attribute__((aligned(16)));
};

/* All work of libunwind happens on this stack, under the rules lock, with signals blocked. It needs
 * less than 8 KiB; a thread's own stack may be 16 KiB in all. */
enum { RULES_STACK_BYTES = 64 << 10 };
extern char rules_stack[RULES_STACK_BYTES];

/* Where it lies: constructor only. 0 or -ENOENT. */
int libunwind_find(void);

/* Maps it unless that has been done; the first question does so by itself. On the private stack, or
 * in the constructor. False: it cannot be used. */
bool libunwind_load(void);

/* What is mapped is as a thread that is gone has left it: never to be used again. */
void libunwind_forget(void);

/* 1 = stepped, 0 = outermost frame, negative = could not. On the private stack. */
int query_step(struct query *q);

#endif
