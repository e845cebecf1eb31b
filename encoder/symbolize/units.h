/* SPDX-License-Identifier: MIT
 *
 * Which compilation unit of a module's DWARF covers an address.
 *
 * resolve.c loads it once per module. The Dwarf handle belongs to libdwfl and outlives it.
 */
#ifndef ENCODER_SYMBOLIZE_UNITS_H
#define ENCODER_SYMBOLIZE_UNITS_H

#include "encoder/symbolize/image.h"

#include <elfutils/libdw.h>

struct unit_range {
    uint64_t low, high;
    uint64_t reach; /* the farthest `high` up to here, in order of `low` */
    uint32_t unit;
};

struct units {
    Dwarf_Die *dies; /* of each unit that covers anything */
    size_t n, cap;
    struct unit_range *ranges;
    size_t nranges, ranges_cap;
};

#define UNIT_NONE UINT32_MAX

/* `bias` is added to every DWARF address to get the module's. */
int units_load(struct units *units, Dwarf *dwarf, uint64_t bias, const struct image *image);
void units_free(struct units *units);

/* Index of the unit, or UNIT_NONE. */
uint32_t units_find(const struct units *units, uint64_t vaddr);

#endif
