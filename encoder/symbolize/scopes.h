/* SPDX-License-Identifier: MIT
 *
 * Finds the function and the inlined calls that addresses of one compilation unit lie in.
 *
 * answer.c makes a chain for each address, sorted by address, and has all of them filled by one
 * walk over the unit's tree of entries.
 */
#ifndef ENCODER_SYMBOLIZE_SCOPES_H
#define ENCODER_SYMBOLIZE_SCOPES_H

#include "encoder/symbolize/frame.h"

#include <elfutils/libdw.h>
#include <stdint.h>

struct scope_chain {
    uint64_t pc;     /* address in the DWARF's own counting */
    Dwarf_Die *dies; /* outermost first: a DW_TAG_subprogram, then DW_TAG_inlined_subroutine */
    size_t n, cap;
    const void *owner; /* address of the subprogram's entry that the chain begins with */
};

/* Fills the chains, which must be sorted by pc and empty. A chain without a function stays empty. 0
 * or -ENOMEM; scopes_free is to be called either way. */
int scopes_find(Dwarf_Die *unit, struct scope_chain *chains, size_t n);
void scopes_free(struct scope_chain *chains, size_t n);

#endif
