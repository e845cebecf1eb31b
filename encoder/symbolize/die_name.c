/* SPDX-License-Identifier: MIT
 *
 * Names of DWARF functions; see die_name.h.
 *
 * The names may be in the function's entry, in its abstract origin, or in its declaration in a
 * class. Compilers leave the linkage name out of functions that are not exported (GCC: static ones,
 * and those in anonymous namespaces); then the name is put together from the scopes around the
 * declaration.
 */
#include "encoder/symbolize/die_name.h"

#include "encoder/symbolize/demangle.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_DEPTH = 64 }; /* scopes around a declaration */
enum { HOPS_MAX = 16 };   /* from an entry to its declaration: origin, specification */

static const char *die_string(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

static const char *die_linkage(Dwarf_Die *die)
{
    const char *name = die_string(die, DW_AT_linkage_name);
    return name ? name : die_string(die, DW_AT_MIPS_linkage_name);
}

/* Replaces *die by the entry that the attribute `by` refers to. False: it has no such attribute. */
static bool die_follow(Dwarf_Die *die, unsigned by)
{
    Dwarf_Attribute attribute;
    Dwarf_Die next;
    if (!dwarf_attr(die, by, &attribute) || !dwarf_formref_die(&attribute, &next)) {
        return false;
    }
    *die = next;
    return true;
}

/* The file of the declaration. Not by dwarf_decl_file, in which an assertion fails for entries of
 * split DWARF (libdw 0.188). */
static const char *die_file(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Files *files;
    Dwarf_Word index;
    Dwarf_Die unit;
    size_t n;
    if (dwarf_formudata(dwarf_attr_integrate(die, DW_AT_decl_file, &attribute), &index) != 0 ||
        dwarf_cu_info(attribute.cu, NULL, NULL, &unit, NULL, NULL, NULL, NULL) != 0 ||
        dwarf_getsrcfiles(&unit, &files, &n) != 0 || index >= n) {
        return NULL;
    }
    return dwarf_filesrc(files, (size_t)index, NULL, NULL);
}

static int die_language(Dwarf_Die *die)
{
    Dwarf_Die unit;
    return dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1;
}

static bool die_has_scopes(int language)
{
    switch (language) {
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
    case 0x2a: /* DW_LANG_C_plus_plus_17 */
    case 0x2b: /* DW_LANG_C_plus_plus_20 */
    case DW_LANG_ObjC_plus_plus:
    case DW_LANG_D:
    case DW_LANG_Rust:
        return true;
    default:
        return false;
    }
}

static bool die_is_scope(int tag)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_interface_type:
    case DW_TAG_subprogram:
        return true;
    default:
        return false;
    }
}

/* The entries from the unit down to the one around `target`; returns their number. DWARF entries
 * have no pointer to their parent, but they lie in the order of the tree: at each level the last
 * sibling before the target contains it. */
static size_t die_path(Dwarf_Die *target, Dwarf_Die path[PATH_DEPTH])
{
    Dwarf_Die child, next;
    size_t n = 0;
    if (!dwarf_diecu(target, &child, NULL, NULL)) {
        return 0;
    }
    while (dwarf_child(&child, &next) == 0 && n < PATH_DEPTH) {
        child = next;
        while (dwarf_siblingof(&child, &next) == 0 && (char *)next.addr > (char *)child.addr &&
               (char *)next.addr <= (char *)target->addr) {
            child = next;
        }
        if ((char *)child.addr >= (char *)target->addr) {
            return n;
        }
        path[n++] = child;
    }
    return n;
}

/* ns::Class::name, malloc'ed. NULL: no memory. */
static char *die_qualify(Dwarf_Die *die, const char *bare)
{
    Dwarf_Die path[PATH_DEPTH];
    size_t n = die_path(die, path), len = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);
    if (!out) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        int tag = dwarf_tag(&path[i]);
        if (!die_is_scope(tag)) {
            continue;
        }
        const char *name = die_string(&path[i], DW_AT_name);
        if (!name && tag == DW_TAG_subprogram) {
            continue;
        }
        fprintf(out, "%s::",
                name                      ? name
                : tag == DW_TAG_namespace ? "(anonymous namespace)"
                                          : "(anonymous class)");
    }
    fputs(bare, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void die_names_read(struct die_name *name, Dwarf_Die *die, const struct symbol *symbol)
{
    const char *linkage = die_linkage(die), *bare = die_string(die, DW_AT_name);
    const char *file = die_file(die);
    int language = die_language(die), line;
    name->file = file ? file : "";
    if (dwarf_decl_line(die, &line) == 0 && line > 0) {
        name->start_line = (uint64_t)line;
    }
    if (symbol && !(linkage && demangle_is_mangled(linkage)) &&
        (symbol->global || demangle_is_mangled(symbol->name) || (!linkage && !bare))) {
        linkage = symbol->name;
    }
    bool ada = language == DW_LANG_Ada83 || language == DW_LANG_Ada95;
    if (linkage && *linkage) {
        name->system_name = strndup(linkage, 1 + strcspn(linkage + 1, "@"));
        name->name = demangle_name(linkage, ada);
    } else if (bare) {
        Dwarf_Die decl = *die;
        for (int i = 0; i < HOPS_MAX; i++) {
            if (!die_follow(&decl, DW_AT_abstract_origin) &&
                !die_follow(&decl, DW_AT_specification)) {
                break;
            }
        }
        name->system_name = strdup(bare);
        name->name = die_has_scopes(language) ? die_qualify(&decl, bare)
                     : ada ? demangle_name(bare, true) /* GNAT encodes scopes in the bare name */
                           : strdup(bare);
    }
}

const struct die_name *die_name(struct die_names *names, Dwarf_Die *die,
                                const struct symbol *symbol)
{
    Dwarf_Die origin = *die;
    /* All inlined copies share their origin's names; a copy with a linkage name of its own (the
     * variants of a constructor) stands for itself. */
    for (int i = 0; i < HOPS_MAX && !symbol && !dwarf_hasattr(&origin, DW_AT_linkage_name); i++) {
        if (!die_follow(&origin, DW_AT_abstract_origin)) {
            break;
        }
    }
    struct die_name *name = pointer_map_get(&names->map, origin.addr);
    if (name) {
        return name;
    }
    name = calloc(1, sizeof *name);
    if (!name || pointer_map_put(&names->map, origin.addr, name)) {
        free(name);
        return NULL;
    }
    die_names_read(name, &origin, symbol);
    return name;
}

static void free_name(void *value)
{
    struct die_name *name = value;
    free(name->name);
    free(name->system_name);
    free(name);
}

void die_names_free(struct die_names *names)
{
    pointer_map_free(&names->map, free_name);
}
