/* SPDX-License-Identifier: MIT
 *
 * For addresses of one compilation unit, the function and the inlined calls they lie in.
 *
 * answer.c makes one chain per address, in order of address, and has them filled together: one walk
 * over the unit's tree answers all of them.
 */
#ifndef ENCODER_SYMBOLIZE_SCOPES_H
#define ENCODER_SYMBOLIZE_SCOPES_H

#include "encoder/symbolize/frame.h"

#include <elfutils/libdw.h>
#include <stdint.h>

struct scope_chain {
    uint64_t pc;     /* as the DWARF counts */
    Dwarf_Die *dies; /* outermost first: a DW_TAG_subprogram, then DW_TAG_inlined_subroutine */
    size_t n, cap;
    const void *owner; /* the subprogram that claimed it */
};

/* Fills the chains, which are sorted by pc and all empty. 0 or -ENOMEM. */
int scopes_find(Dwarf_Die *unit, struct scope_chain *chains, size_t n);
void scopes_free(struct scope_chain *chains, size_t n);

#endif
