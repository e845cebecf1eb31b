/* SPDX-License-Identifier: MIT
 *
 * Makes the paths of source files absolute.
 *
 * DWARF and libdw give most files relative to the folder in which the compiler ran. Used by
 * answer.c. A path stays valid until source_paths_free, which must be called before the Dwarf
 * handle is closed.
 */
#ifndef ENCODER_SYMBOLIZE_SOURCE_PATH_H
#define ENCODER_SYMBOLIZE_SOURCE_PATH_H

#include "encoder/symbolize/pointer_map.h"

#include <elfutils/libdw.h>

struct source_paths {
    struct pointer_map map; /* libdw's file name → the whole path */
};

/* The absolute path of `file`, a name that libdw has given for the unit `unit`. Never NULL: without
 * memory it is `file`. */
const char *source_path(struct source_paths *paths, Dwarf_Die *unit, const char *file);
void source_paths_free(struct source_paths *paths);

#endif
