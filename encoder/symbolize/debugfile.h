/* SPDX-License-Identifier: MIT
 *
 * The separate file that holds a stripped module's debug information.
 *
 * resolve.c gives debugfile_find to libdwfl, which calls it when a module has no DWARF of its own;
 * the module's user data is the struct module. Looks at local files alone, whatever DEBUGINFOD_URLS
 * says.
 */
#ifndef ENCODER_SYMBOLIZE_DEBUGFILE_H
#define ENCODER_SYMBOLIZE_DEBUGFILE_H

#include <elfutils/libdwfl.h>

/* libdwfl's find_debuginfo callback: a descriptor and its malloc'ed path, or -1. */
int debugfile_find(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
                   const char *file_name, const char *link, GElf_Word link_crc, char **found);

#endif
