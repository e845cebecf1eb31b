/* plt.h: names for the stubs through which a module calls others: `name@plt`.
 *
 * module.c asks for addresses that no symbol covers. x86-64 only; elsewhere nothing is found.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_PLT_H
#define PPROFINJECT_SYMBOLIZE_PLT_H

#include "symbols.h"

/* The name of the stub at `vaddr` of the module's main file, malloc'ed; NULL = it is none. */
char *plt_name(Elf *elf, const struct image *image, const struct symbols *symbols, uint64_t vaddr);

#endif
