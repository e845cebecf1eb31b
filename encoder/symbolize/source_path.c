/* SPDX-License-Identifier: MIT
 *
 * See source_path.h.
 *
 * Paths are made as binutils make them: the compiler's folder, a slash, the file, nothing
 * simplified. libdw keeps one string for each file of each unit, so the string's address identifies
 * both.
 */
#include "encoder/symbolize/source_path.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether libdw has put the compiler's folder in front already. In DWARF before version 5 it does
 * so for files of folder 0, which only the name shows. */
static bool source_path_has_folder(Dwarf_Die *unit, const char *folder, const char *file)
{
    Dwarf_Half version = 0;
    size_t len = strlen(folder);
    dwarf_cu_info(unit->cu, &version, NULL, NULL, NULL, NULL, NULL, NULL);
    return version < 5 && strncmp(file, folder, len) == 0 && file[len] == '/';
}

const char *source_path(struct source_paths *paths, Dwarf_Die *unit, const char *file)
{
    if (file[0] == '/' || file[0] == '\0' || strcmp(file, "???") == 0) {
        return file;
    }
    char *whole = pointer_map_get(&paths->map, file);
    if (whole) {
        return whole;
    }
    Dwarf_Attribute attribute;
    const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    if (!folder || !*folder || source_path_has_folder(unit, folder, file) ||
        asprintf(&whole, "%s/%s", folder, file) < 0) {
        return file;
    }
    if (pointer_map_put(&paths->map, file, whole)) {
        free(whole);
        return file;
    }
    return whole;
}

void source_paths_free(struct source_paths *paths)
{
    pointer_map_free(&paths->map, free);
}
