/* SPDX-License-Identifier: MIT
 *
 * The functions that a module's symbol tables name, found by address.
 *
 * resolve.c loads it once per module and asks it for every address; plt.c asks it for the targets
 * of ifuncs. The names point into the module's own data: valid until dwfl_end.
 */
#ifndef ENCODER_SYMBOLIZE_SYMBOLS_H
#define ENCODER_SYMBOLIZE_SYMBOLS_H

#include "encoder/symbolize/image.h"

#include <elfutils/libdwfl.h>

struct symbol {
    uint64_t start, end; /* of an unsized symbol: to the end of its section */
    const char *name;
    uint32_t rank; /* lower is better, among symbols of one start */
    bool sized;
    bool global; /* or weak: a name that others may call it by */
};

struct symbols {
    struct symbol *all; /* by start, then rank */
    uint64_t *reach;    /* the farthest end among all[0..i] */
    size_t n, cap;
};

/* All of .symtab (the module's or its debug file's), .dynsym and .gnu_debugdata that is code. */
int symbols_load(struct symbols *symbols, Dwfl_Module *mod, const struct image *image);
void symbols_free(struct symbols *symbols);

const struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr);

#endif
