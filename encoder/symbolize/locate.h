/* SPDX-License-Identifier: MIT
 *
 * Finds the file on this machine that a mapping of the profile was made of.
 *
 * Used by resolve.c for modules, by debugfile.c and dwp.c for the files that belong to them. Asks a
 * server last (fetch.h).
 */
#ifndef ENCODER_SYMBOLIZE_LOCATE_H
#define ENCODER_SYMBOLIZE_LOCATE_H

#include "encoder/symbolize/module.h"

#include <limits.h>

/* Opens the module's file. A descriptor, which the caller closes, or -errno (-ENOENT: no such file,
 * or only one with another build id). */
int locate_open(const struct module *module);

/* The module's path as the process saw it, without the kernel's " (deleted)"; returns whether that
 * was there. */
bool locate_path(const struct module *module, char path[PATH_MAX]);

/* Opens a regular file for reading: a descriptor or -errno. Never blocks, also if the path has
 * become a FIFO. */
int locate_regular(const char *path);

/* Calls `f` with each folder of PPROF_BINARY_PATH, or with ~/pprof/binaries if that is not set,
 * until a call returns 0 or more. Returns that value, or -ENOENT. */
int locate_each_folder(int (*f)(void *arg, const char *folder), void *arg);

#endif
