/* SPDX-License-Identifier: MIT
 *
 * Whole paths of source files.
 *
 * DWARF names most files relative to the folder the compiler ran in, and libdw hands them out like
 * that. Used by answer.c. A path stays valid until source_paths_free, which comes before the end of
 * the Dwarf handle.
 */
#ifndef ENCODER_SYMBOLIZE_SOURCE_PATH_H
#define ENCODER_SYMBOLIZE_SOURCE_PATH_H

#include "encoder/symbolize/pointer_map.h"

#include <elfutils/libdw.h>

struct source_paths {
    struct pointer_map map; /* libdw's file name → the whole path */
};

/* `file` as libdw says it, for the unit that `unit` is of. Never NULL: without memory, `file`. */
const char *source_path(struct source_paths *paths, Dwarf_Die *unit, const char *file);
void source_paths_free(struct source_paths *paths);

#endif
