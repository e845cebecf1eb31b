/* SPDX-License-Identifier: MIT
 *
 * Split DWARF out of a package, a .dwp file.
 *
 * libdw 0.188 knows .dwo files alone. answer.c says before it asks libdw for the split half of a
 * unit which one it will look for; should libdw then open a .dwo file that is not there, it gets
 * that unit cut out of the package.
 */
#ifndef ENCODER_SYMBOLIZE_DWP_H
#define ENCODER_SYMBOLIZE_DWP_H

#include "encoder/symbolize/module.h"

#include <elfutils/libdwfl.h>

/* The package beside the module's file or its debug file; NULL = there is none. */
struct dwp *dwp_find(const struct module *module, Dwfl_Module *mod);
void dwp_free(struct dwp *dwp);

/* From now on the unit of this id is wanted; dwp NULL: none is. */
void dwp_want(struct dwp *dwp, uint64_t id);

#endif
