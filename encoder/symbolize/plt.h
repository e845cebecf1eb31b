/* SPDX-License-Identifier: MIT
 *
 * Names for the stubs by which a module calls functions of others: `name@plt`.
 *
 * answer.c asks for addresses that no symbol covers. Only for machines that machine.c knows.
 */
#ifndef ENCODER_SYMBOLIZE_PLT_H
#define ENCODER_SYMBOLIZE_PLT_H

#include "encoder/symbolize/symbols.h"

/* The name of the stub that holds `vaddr`, an address of the module's own file, malloc'ed. NULL: no
 * stub is there, or no memory. */
char *plt_name(Elf *elf, const struct image *image, const struct symbols *symbols, uint64_t vaddr);

#endif
