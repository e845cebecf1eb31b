/* SPDX-License-Identifier: MIT
 *
 * An index over a module's symbol tables: functions by address.
 *
 * resolve.c loads it once for a module, answer.c asks it for every address, plt.c for the targets
 * of ifuncs. The names point into libdwfl's data and are valid until dwfl_end.
 */
#ifndef ENCODER_SYMBOLIZE_SYMBOLS_H
#define ENCODER_SYMBOLIZE_SYMBOLS_H

#include "encoder/symbolize/image.h"

#include <elfutils/libdwfl.h>

struct symbol {
    uint64_t start, end; /* the end of an unsized symbol is that of its section */
    const char *name;
    uint32_t rank; /* of symbols with the same start, the lowest is shown */
    bool sized;
    bool global; /* or weak: other modules may call it by this name */
};

struct symbols {
    struct symbol *all; /* by start, then rank */
    uint64_t *reach;    /* reach[i]: the largest end of all[0] to all[i] */
    size_t n, cap;
};

/* Loads the code symbols of .symtab (the module's or its debug file's), .dynsym and .gnu_debugdata.
 * 0 or -ENOMEM; symbols_free is to be called either way. */
int symbols_load(struct symbols *symbols, Dwfl_Module *mod, const struct image *image);
void symbols_free(struct symbols *symbols);

const struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr);

/* Where the symbols before an address that none holds have ended; 0: there are none. */
uint64_t symbols_end_before(const struct symbols *symbols, uint64_t vaddr);

#endif
