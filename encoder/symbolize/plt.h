/* SPDX-License-Identifier: MIT
 *
 * Names for the stubs through which a module calls others: `name@plt`.
 *
 * answer.c asks for addresses that no symbol covers. Only for machines that machine.c knows.
 */
#ifndef ENCODER_SYMBOLIZE_PLT_H
#define ENCODER_SYMBOLIZE_PLT_H

#include "encoder/symbolize/symbols.h"

/* The name of the stub at `vaddr` of the module's main file, malloc'ed; NULL = it is none. */
char *plt_name(Elf *elf, const struct image *image, const struct symbols *symbols, uint64_t vaddr);

#endif
