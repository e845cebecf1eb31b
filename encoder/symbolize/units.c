/* SPDX-License-Identifier: MIT
 *
 * See units.h.
 *
 * The index is made from the units' own ranges and not from .debug_aranges, which clang does not
 * write. Code that the linker has dropped (--gc-sections, duplicate inline functions) still has a
 * range, which begins at 0 or 1. Such ranges are left out: they would cover real code of a module
 * whose addresses begin at 0.
 */
#include "encoder/symbolize/units.h"

#include "encoder/symbolize/grow.h"

#include <dwarf.h>
#include <string.h>

enum { UNITS_BACK = 256 }; /* earlier ranges searched; ranges rarely overlap */

static int range_order(const void *a, const void *b)
{
    const struct unit_range *x = a, *y = b;
    if (x->low != y->low) {
        return x->low < y->low ? -1 : 1;
    }
    return (x->high < y->high) - (x->high > y->high);
}

static int units_add(struct units *units, Dwarf_Die *die, uint64_t bias, const struct image *image)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;
    bool any = false;
    while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
        if (low <= 1 || low >= high || !image_executable(image, low + bias)) {
            continue;
        }
        if (grow_array(&units->ranges, &units->ranges_cap, units->nranges + 1,
                       sizeof *units->ranges)) {
            return -ENOMEM;
        }
        units->ranges[units->nranges++] =
            (struct unit_range){.low = low + bias, .high = high + bias, .unit = (uint32_t)units->n};
        any = true;
    }
    if (!any) {
        return 0;
    }
    if (grow_array(&units->dies, &units->cap, units->n + 1, sizeof *units->dies)) {
        return -ENOMEM;
    }
    units->dies[units->n++] = *die;
    return 0;
}

int units_load(struct units *units, Dwarf *dwarf, uint64_t bias, const struct image *image)
{
    Dwarf_CU *cu = NULL, *next;
    uint8_t type;
    Dwarf_Die die;
    memset(units, 0, sizeof *units);
    while (dwarf_get_units(dwarf, cu, &next, NULL, &type, &die, NULL) == 0) {
        if (type == DW_UT_compile || type == DW_UT_skeleton) {
            if (units_add(units, &die, bias, image)) {
                return -ENOMEM;
            }
        }
        cu = next;
    }
    if (units->nranges) {
        qsort(units->ranges, units->nranges, sizeof *units->ranges, range_order);
    }
    uint64_t reach = 0;
    for (size_t i = 0; i < units->nranges; i++) {
        if (units->ranges[i].high > reach) {
            reach = units->ranges[i].high;
        }
        units->ranges[i].reach = reach;
    }
    return 0;
}

void units_free(struct units *units)
{
    free(units->dies);
    free(units->ranges);
    memset(units, 0, sizeof *units);
}

uint32_t units_find(const struct units *units, uint64_t vaddr)
{
    size_t low = 0, high = units->nranges;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (units->ranges[mid].low <= vaddr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (size_t back = 0; low-- > 0 && units->ranges[low].reach > vaddr && back < UNITS_BACK;
         back++) {
        if (vaddr < units->ranges[low].high) {
            return units->ranges[low].unit;
        }
    }
    return UNIT_NONE;
}
