/* SPDX-License-Identifier: MIT
 *
 * The separate file that holds a stripped module's debug information.
 *
 * resolve.c gives debugfile_find to libdwfl, which calls it when a module has no DWARF of its own.
 * Only local files are looked at, whatever DEBUGINFOD_URLS says.
 */
#ifndef ENCODER_SYMBOLIZE_DEBUGFILE_H
#define ENCODER_SYMBOLIZE_DEBUGFILE_H

#include <elfutils/libdwfl.h>

/* libdwfl's find_debuginfo callback. *userdata is the struct module. A descriptor, with its
 * malloc'ed path in *found, or -1; both become libdwfl's. */
int debugfile_find(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
                   const char *file_name, const char *link, GElf_Word link_crc, char **found);

#endif
