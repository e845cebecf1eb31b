/* source_path.c: relative source files made whole; see source_path.h.
 *
 * As binutils do it: the compiler's folder, a slash, the file, nothing simplified. libdw keeps one
 * string for each file of each unit, so its address stands for both.
 *
 * SPDX-License-Identifier: MIT
 */
#include "source_path.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct source_path *source_path_slot(const struct source_paths *paths, const char *file)
{
    size_t i = ((uintptr_t)file * 0x9e3779b97f4a7c15u >> 20) & (paths->nslots - 1);

    while (paths->slots[i].file && paths->slots[i].file != file)
        i = (i + 1) & (paths->nslots - 1);
    return &paths->slots[i];
}

static int source_paths_grow(struct source_paths *paths)
{
    struct source_paths more = {.nslots = paths->nslots ? paths->nslots * 2 : 256, .n = paths->n};

    more.slots = calloc(more.nslots, sizeof *more.slots);
    if (!more.slots)
        return -1;
    for (size_t i = 0; i < paths->nslots; i++)
        if (paths->slots[i].file)
            *source_path_slot(&more, paths->slots[i].file) = paths->slots[i];
    free(paths->slots);
    *paths = more;
    return 0;
}

/* DWARF before 5 numbers the compiler's own folder 0, and libdw has then put it in front already;
 * that can be told from the name only. */
static bool source_path_has_folder(Dwarf_Die *unit, const char *folder, const char *file)
{
    Dwarf_Half version = 0;
    size_t len = strlen(folder);

    dwarf_cu_info(unit->cu, &version, NULL, NULL, NULL, NULL, NULL, NULL);
    return version < 5 && strncmp(file, folder, len) == 0 && file[len] == '/';
}

const char *source_path(struct source_paths *paths, Dwarf_Die *unit, const char *file)
{
    Dwarf_Attribute attribute;
    struct source_path *slot;
    char *whole;

    if (file[0] == '/' || file[0] == '\0' || strcmp(file, "???") == 0)
        return file;
    if (paths->n * 2 >= paths->nslots && source_paths_grow(paths) != 0)
        return file;
    slot = source_path_slot(paths, file);
    if (slot->file)
        return slot->whole;
    const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    if (!folder || !*folder || source_path_has_folder(unit, folder, file) ||
        asprintf(&whole, "%s/%s", folder, file) < 0)
        return file;
    slot->file = file;
    slot->whole = whole;
    paths->n++;
    return whole;
}

void source_paths_free(struct source_paths *paths)
{
    for (size_t i = 0; i < paths->nslots; i++)
        free(paths->slots[i].whole);
    free(paths->slots);
    paths->slots = NULL;
    paths->n = paths->nslots = 0;
}
