/* SPDX-License-Identifier: MIT
 *
 * One binary or library, and the addresses in it that need a name.
 *
 * batch.c makes a module and its queries; worker.c has them answered in a process of its own. The
 * queries and texts belong to batch.c and stay as they are until the answers are in.
 */
#ifndef ENCODER_SYMBOLIZE_MODULE_H
#define ENCODER_SYMBOLIZE_MODULE_H

#include "encoder/symbolize/frame.h"
#include "encoder/symbolize/mapping.h"

#include <stddef.h>
#include <sys/types.h>

struct query {
    const struct mapping *mapping;
    struct location *location;
    uint64_t address;
};

struct module {
    const char *file;     /* path as the process saw it, may end in " (deleted)" */
    const char *build_id; /* hexadecimal; "" = not known */
    pid_t pid;            /* the profiled process; 0 = not known */
    const struct query *queries;
    size_t nqueries;
};

#endif
