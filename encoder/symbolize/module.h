/* module.h: one binary or library and the addresses in it that want a name.
 *
 * batch.c makes a module and its queries, worker.c runs module_resolve in a process of its own.
 * The queries and texts belong to the caller and must stand still until it returns.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_MODULE_H
#define PPROFINJECT_SYMBOLIZE_MODULE_H

#include "frame.h"
#include "profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct query {
    const struct mapping *mapping;
    struct location *location;
    uint64_t address;
};

struct module {
    const char *file;     /* as the process saw it, perhaps ending in " (deleted)" */
    const char *build_id; /* hexadecimal; "" = not known */
    pid_t pid;            /* the process that had it; 0 = not known */
    const struct query *queries;
    size_t nqueries;
};

/* What is risked: each is tried after the one before it has brought its process down. */
enum module_mode {
    MODULE_DWARF,   /* a large module a number of units at a time, a small one at once */
    MODULE_BY_UNIT, /* each unit in a process of its own, so that a bad one costs only its lines */
    MODULE_SYMBOLS, /* the debug information is left alone */
};

/* Opens the module and puts an answer for every query it can name. 0 (also when it has no names)
 * or -errno: no such file, not ELF, another build id. */
int module_resolve(const struct module *module, enum module_mode mode, struct answer_sink *sink);

#endif
