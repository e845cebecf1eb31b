/* SPDX-License-Identifier: MIT
 *
 * Names for the addresses of one module. worker.c calls it, in a process of its own: the libraries
 * that read ELF and DWARF may crash on a damaged file.
 */
#ifndef ENCODER_SYMBOLIZE_RESOLVE_H
#define ENCODER_SYMBOLIZE_RESOLVE_H

#include "encoder/symbolize/module.h"

/* How much is risked. The caller tries the next one after the process of the one before it has
 * died. */
enum resolve_mode {
    RESOLVE_DWARF,   /* a large module a number of units at a time, a small one at once */
    RESOLVE_BY_UNIT, /* each unit in a process of its own, so that a bad one costs only its lines */
    RESOLVE_SYMBOLS, /* debug information is not read */
};

/* Opens the module and puts an answer for every query that it can name. 0, also if it can name
 * none, or -errno: the file is not there, is no ELF file, or has another build id. */
int resolve_module(const struct module *module, enum resolve_mode mode, struct answer_sink *sink);

#endif
