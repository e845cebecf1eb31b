/* SPDX-License-Identifier: MIT
 *
 * An index from addresses to the compilation units of a module's DWARF.
 *
 * resolve.c loads it once for a module. The Dwarf handle belongs to libdwfl and must stay open
 * until units_free.
 */
#ifndef ENCODER_SYMBOLIZE_UNITS_H
#define ENCODER_SYMBOLIZE_UNITS_H

#include "encoder/symbolize/image.h"

#include <elfutils/libdw.h>

struct unit_range {
    uint64_t low, high;
    uint64_t reach; /* the largest `high` of this and all earlier ranges */
    uint32_t unit;
};

struct units {
    Dwarf_Die *dies; /* the entry of each unit that covers any code */
    size_t n, cap;
    struct unit_range *ranges;
    size_t nranges, ranges_cap;
};

#define UNIT_NONE UINT32_MAX

/* `bias` is added to a DWARF address to get the module's. 0 or -ENOMEM; units_free is to be called
 * either way. */
int units_load(struct units *units, Dwarf *dwarf, uint64_t bias, const struct image *image);
void units_free(struct units *units);

/* The index in `dies` of the unit that covers an address of the module, or UNIT_NONE. */
uint32_t units_find(const struct units *units, uint64_t vaddr);

#endif
