/* SPDX-License-Identifier: MIT
 *
 * The answers for the addresses of one module, put into its sink. resolve.c opens the module, sorts
 * the addresses by compilation unit and asks unit by unit.
 */
#ifndef ENCODER_SYMBOLIZE_ANSWER_H
#define ENCODER_SYMBOLIZE_ANSWER_H

#include "encoder/symbolize/die_name.h"
#include "encoder/symbolize/dwp.h"
#include "encoder/symbolize/fde.h"
#include "encoder/symbolize/image.h"
#include "encoder/symbolize/module.h"
#include "encoder/symbolize/source_path.h"
#include "encoder/symbolize/symbols.h"
#include "encoder/symbolize/units.h"

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is open of a module while it is read. resolve.c makes and frees it. */
struct reading {
    const struct module *module;
    struct answer_sink *sink;
    Dwfl_Module *dwfl;
    Elf *elf;
    struct image image;
    struct symbols symbols;
    struct fdes fdes;
    struct units units;
    struct die_names die_names;
    struct source_paths paths;
    uint64_t dwarf_bias; /* DWARF address + bias = the module's */
    struct dwp *dwp;
    bool dwp_looked_for;
    unsigned bad_units; /* units on which a child process has died */
};

/* The address of one query, as the module itself counts. */
struct spot {
    uint64_t vaddr;
    size_t query;  /* its index in the module's queries */
    uint32_t unit; /* index in the reading's units, or UNIT_NONE */
    bool inside;   /* the file has the address: vaddr is valid */
};

/* Answers spots of one unit, sorted by address; unit is its entry in the DWARF. 0 or -errno. */
int answer_unit(struct reading *r, const struct spot *spots, size_t n, Dwarf_Die *unit);

/* Answers an address that no function of the DWARF covers. unit may be NULL; otherwise it may still
 * know the line (of assembler code). 0 or -errno. */
int answer_plain(struct reading *r, const struct spot *spot, Dwarf_Die *unit);

#endif
