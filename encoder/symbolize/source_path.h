/* source_path.h: whole paths of source files.
 *
 * DWARF names most files relative to the folder the compiler ran in, and libdw hands them out like
 * that. Used by module.c. A path stays valid until source_paths_free, which comes before the end of
 * the Dwarf handle.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_SOURCE_PATH_H
#define PPROFINJECT_SYMBOLIZE_SOURCE_PATH_H

#include <elfutils/libdw.h>
#include <stddef.h>

struct source_path {
    const char *file; /* libdw's: its address is the key */
    char *whole;
};

struct source_paths {
    struct source_path *slots; /* open addressing, a power of two of them */
    size_t n, nslots;
};

/* `file` as libdw says it, for the unit that `unit` is of. Never NULL: without memory, `file`. */
const char *source_path(struct source_paths *paths, Dwarf_Die *unit, const char *file);
void source_paths_free(struct source_paths *paths);

#endif
