/* SPDX-License-Identifier: MIT
 *
 * Gives names to several profiles together.
 *
 * Called by main.c. The files of one dump refer to the same modules, so each module is opened once
 * for all of them.
 */
#ifndef ENCODER_SYMBOLIZE_BATCH_H
#define ENCODER_SYMBOLIZE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct batch_options {
    pid_t pid;          /* of the process that was profiled; 0 = not known */
    pid_t map_pid;      /* the number in the name of its /tmp/perf-PID.map; 0 = that of pid */
    const char *output; /* where to write; NULL = the file is replaced */
    bool verbose;       /* say on stderr for each module whether it could be read */
};

enum { BATCH_MAX = 64 }; /* files; a dump has seven and one for each custom profile */

/* Returns how many of the files failed; each has a line on stderr. */
int batch_run(char *const *paths, size_t n, const struct batch_options *options);

#endif
