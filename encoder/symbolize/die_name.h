/* SPDX-License-Identifier: MIT
 *
 * The names of functions that DWARF describes, by their entries (DIEs).
 *
 * answer.c asks for every scope of every address. The same few functions are inlined in many
 * places, so the names are kept. They stay valid until die_names_free, which must be called before
 * the Dwarf handle is closed.
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

/* The names of a function's entry. NULL: no memory. `symbol`, if not NULL, is the symbol at which
 * the function begins. Its name is preferred for a C function that is global under it (malloc,
 * where DWARF says __libc_malloc), and where DWARF has no linkage name. */
const struct die_name *die_name(struct die_names *names, Dwarf_Die *die,
                                const struct symbol *symbol);

#endif
