/* SPDX-License-Identifier: MIT
 *
 * See scopes.h.
 *
 * dwarf_getscopes would walk the tree once for each address, and a unit of C++ has 10^5 entries.
 * The first walk skips types and functions that hold none of the addresses. It misses only
 * functions that are nested in those (GNU C, Ada, methods of local classes). If an address is left
 * without a function, a second walk looks into everything.
 */
#include "encoder/symbolize/scopes.h"

#include "encoder/symbolize/grow.h"

#include <dwarf.h>
#include <stdbool.h>

enum { DEPTH_MAX = 512 }; /* of nested entries; compilers stay far below */

struct scope_walk {
    struct scope_chain *chains;
    size_t n;
    bool everywhere;
    int error;
};

static void scopes_children(struct scope_walk *walk, Dwarf_Die *parent, unsigned depth,
                            const void *owner);

/* The index of the first chain whose pc is not below this one. */
static size_t scopes_at(const struct scope_walk *walk, uint64_t pc)
{
    size_t low = 0, high = walk->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (walk->chains[mid].pc < pc) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static int scopes_push(struct scope_chain *chain, const Dwarf_Die *die)
{
    if (chain->n >= FRAMES_MAX) {
        return 0;
    }
    if (grow_array(&chain->dies, &chain->cap, chain->n + 1, sizeof *chain->dies)) {
        return -ENOMEM;
    }
    chain->dies[chain->n++] = *die;
    return 0;
}

/* Adds a function or an inlined call to every chain whose address it covers; returns whether there
 * is such a chain. A function is added to chains without an owner (of two functions at one address,
 * the first is) and becomes their owner. An inlined call is added to the chains of `owner`, the
 * function that it stands in. A block is not added. */
static bool scopes_cover(struct scope_walk *walk, Dwarf_Die *die, int tag, const void *owner)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;
    bool any = false, ranges = false;
    while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
        ranges = true;
        for (size_t i = scopes_at(walk, low); i < walk->n && walk->chains[i].pc < high; i++) {
            struct scope_chain *chain = &walk->chains[i];
            if (tag == DW_TAG_subprogram && !chain->owner) {
                chain->owner = die->addr;
            } else if (tag == DW_TAG_subprogram || chain->owner != owner) {
                continue;
            }
            any = true;
            if (tag == DW_TAG_lexical_block) {
                break;
            }
            if (scopes_push(chain, die)) {
                walk->error = -ENOMEM;
            }
        }
    }
    return any || (tag == DW_TAG_lexical_block && !ranges);
}

static void scopes_visit(struct scope_walk *walk, Dwarf_Die *die, unsigned depth, const void *owner)
{
    int tag = dwarf_tag(die);
    switch (tag) {
    case DW_TAG_subprogram:
        if (scopes_cover(walk, die, tag, NULL)) {
            scopes_children(walk, die, depth, die->addr);
        } else if (walk->everywhere) {
            scopes_children(walk, die, depth, NULL);
        }
        break;
    case DW_TAG_inlined_subroutine:
        if (owner && scopes_cover(walk, die, tag, owner)) {
            scopes_children(walk, die, depth, owner);
        }
        break;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
        if (walk->everywhere || (owner && scopes_cover(walk, die, DW_TAG_lexical_block, owner))) {
            scopes_children(walk, die, depth, owner);
        }
        break;
    case DW_TAG_namespace:
    case DW_TAG_module:
        scopes_children(walk, die, depth, owner);
        break;
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_interface_type:
        if (walk->everywhere) {
            scopes_children(walk, die, depth, NULL);
        }
        break;
    default:
        break;
    }
}

static void scopes_children(struct scope_walk *walk, Dwarf_Die *parent, unsigned depth,
                            const void *owner)
{
    Dwarf_Die die, next;
    if (depth >= DEPTH_MAX || dwarf_child(parent, &die) != 0) {
        return;
    }
    while (walk->error == 0) {
        scopes_visit(walk, &die, depth + 1, owner);
        /* In damaged DWARF a sibling may lie before its entry: the walk would not end. */
        if (dwarf_siblingof(&die, &next) != 0 || (char *)next.addr <= (char *)die.addr) {
            break;
        }
        die = next;
    }
}

int scopes_find(Dwarf_Die *unit, struct scope_chain *chains, size_t n)
{
    struct scope_walk walk = {.chains = chains, .n = n};
    bool left = false;
    scopes_children(&walk, unit, 0, NULL);
    for (size_t i = 0; i < n && !left; i++) {
        left = chains[i].n == 0;
    }
    if (left && walk.error == 0) {
        for (size_t i = 0; i < n; i++) {
            chains[i].n = 0;
            chains[i].owner = NULL;
        }
        walk.everywhere = true;
        scopes_children(&walk, unit, 0, NULL);
    }
    return walk.error;
}

void scopes_free(struct scope_chain *chains, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(chains[i].dies);
    }
}
