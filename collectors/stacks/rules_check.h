/* SPDX-License-Identifier: MIT
 *
 * What stands between frame information and libunwind. libunwind 1.6 trusts what it reads: it uses
 * the return address column of a CIE and the operand of DW_CFA_register as indices unseen, divides
 * where the quotient overflows, and keeps memory for as many remembered states as it is told to. So
 * each entry that it is to run is looked through first: known opcodes, register numbers below 17,
 * everything inside its entry. An entry that is not so has no rule.
 *
 * Called by rules_libunwind.c under the rules lock; itself it takes no lock, allocates nothing and
 * reads only pages that its caller finds readable.
 */
#ifndef COLLECTORS_RULES_CHECK_H
#define COLLECTORS_RULES_CHECK_H

#include "collectors/stacks/rules_module.h"

/* Where frame information is read. */
struct check {
    const struct module *module;
    bool (*readable)(uintptr_t addr); /* the page of addr; asked for addresses in the module */
    /* May be NULL. Set where a register is computed by a DWARF expression: without one, all are
     * constant distances from others. */
    bool *expressions;
};

/* The entry of .eh_frame_hdr's table that describes pc: two words of four bytes, relative to the
 * header. Its FDE covers pc and is fit for libunwind as far as that. 0 = there is none. */
SIGNAL_SAFE uintptr_t check_find(const struct check *c, uintptr_t pc);

/* Whether an FDE and its CIE are fit for libunwind as far as the instruction at pc, which they must
 * cover; pc 0: to the end. */
SIGNAL_SAFE bool check_fde(const struct check *c, uintptr_t fde, uintptr_t pc);

#endif
