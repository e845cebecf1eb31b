/* SPDX-License-Identifier: MIT
 *
 * Checks frame information (.eh_frame) before libunwind reads it. libunwind 1.6 trusts what it
 * reads: it uses the return address column of a CIE and the operand of DW_CFA_register as array
 * indices without a check, divides where the quotient overflows, and allocates for as many
 * remembered states as the instructions ask for. So every entry is read here first, up to the
 * instruction that libunwind will stop at: only known opcodes, only register numbers below
 * ARCH_DWARF_COLUMNS, and nothing that reaches beyond the entry. An entry that fails the check is
 * treated as if it were not there.
 *
 * Called by rules_libunwind.c under the rules lock; takes no lock itself, allocates nothing, and
 * reads only pages that its caller finds readable.
 */
#ifndef COLLECTORS_RULES_CHECK_H
#define COLLECTORS_RULES_CHECK_H

#include "collectors/stacks/rules_module.h"

/* What to check, and how it may be read. */
struct check {
    const struct module *module;
    bool (*readable)(uintptr_t addr); /* the page of addr; asked for addresses in the module */
    /* Set to true where a DWARF expression computes a register; without one, the CFA is a register
     * plus a constant, and the others lie at constant distances from it. May be NULL. */
    bool *expressions;
};

/* The address of the entry of .eh_frame_hdr's table that describes pc: two words of four bytes,
 * relative to the header. Its FDE covers pc and passes the check up to there. 0 = there is none. */
SIGNAL_SAFE uintptr_t check_find(const struct check *c, uintptr_t pc);

/* Whether an FDE (an address) and its CIE pass the check up to the instruction at pc, and the FDE
 * covers pc. pc 0: up to their ends. */
SIGNAL_SAFE bool check_fde(const struct check *c, uintptr_t fde, uintptr_t pc);

/* The function that pc lies in, by its FDE, which passes the check up to there. False: none. */
SIGNAL_SAFE bool check_function(const struct check *c, uintptr_t pc, uintptr_t *lo, uintptr_t *hi);

#endif
