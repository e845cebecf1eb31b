/* SPDX-License-Identifier: MIT
 *
 * Reads split DWARF from a package, a .dwp file.
 *
 * libdw 0.188 reads .dwo files only. Before answer.c asks libdw for the split half of a unit, it
 * names that unit by dwp_want. If libdw then opens a .dwo file that does not exist, it gets a file
 * made of that unit's parts of the package. One thread only.
 */
#ifndef ENCODER_SYMBOLIZE_DWP_H
#define ENCODER_SYMBOLIZE_DWP_H

#include "encoder/symbolize/module.h"

#include <elfutils/libdwfl.h>

/* Opens the package that lies beside the module's file or its debug file. NULL: there is none. */
struct dwp *dwp_find(const struct module *module, Dwfl_Module *mod);
void dwp_free(struct dwp *dwp);

/* The unit of this id (dwo_id) is the one that libdw's next open of a missing file gets. With dwp
 * NULL, opening is as usual. */
void dwp_want(struct dwp *dwp, uint64_t id);

#endif
