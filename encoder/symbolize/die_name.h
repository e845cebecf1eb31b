/* SPDX-License-Identifier: MIT
 *
 * The names of functions that DWARF describes.
 *
 * answer.c asks it for every scope of every address; the answers are kept, since the same few
 * functions are inlined everywhere. They stay valid until die_names_free, which comes before the
 * end of the Dwarf handle.
 */
#ifndef ENCODER_SYMBOLIZE_DIE_NAME_H
#define ENCODER_SYMBOLIZE_DIE_NAME_H

#include "encoder/symbolize/pointer_map.h"
#include "encoder/symbolize/symbols.h"

#include <elfutils/libdw.h>
#include <stdint.h>

struct die_name {
    char *name;        /* demangled or qualified; NULL = it has none */
    char *system_name; /* linkage name, or the bare one */
    const char *file;  /* of its declaration; "" = not known */
    uint64_t start_line;
};

struct die_names {
    struct pointer_map map; /* address of the entry's bytes → struct die_name */
};

void die_names_free(struct die_names *names);

/* NULL only without memory. `symbol`, if not NULL, is the one at which this function begins: taken
 * for a C function that others know by it (malloc, where DWARF says __libc_malloc), and when DWARF
 * has no linkage name but the symbol table has. */
const struct die_name *die_name(struct die_names *names, Dwarf_Die *die,
                                const struct symbol *symbol);

#endif
