/* SPDX-License-Identifier: MIT
 *
 * Some profiles symbolised together.
 *
 * Called by main.c. The files of one dump have their modules in common: each is opened once.
 */
#ifndef ENCODER_SYMBOLIZE_BATCH_H
#define ENCODER_SYMBOLIZE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct batch_options {
    pid_t pid;          /* whose profiles they are; 0 = not known */
    const char *output; /* instead of replacing the (only) file; NULL */
    bool verbose;       /* say on stderr where names came from */
};

enum { BATCH_MAX = 64 }; /* files; one dump has seven and the custom profiles */

/* How many of the files failed; each has its line on stderr. */
int batch_run(char *const *paths, size_t n, const struct batch_options *options);

#endif
