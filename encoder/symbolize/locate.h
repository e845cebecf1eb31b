/* SPDX-License-Identifier: MIT
 *
 * Which file on this machine a mapping of the profile was.
 *
 * Used by resolve.c, and by debugfile.c for the folders of PPROF_BINARY_PATH. Never the network.
 */
#ifndef ENCODER_SYMBOLIZE_LOCATE_H
#define ENCODER_SYMBOLIZE_LOCATE_H

#include "encoder/symbolize/module.h"

#include <limits.h>

/* A descriptor of the module's file, or -errno (-ENOENT: nowhere, or only with another build id).
 * The caller closes it. */
int locate_open(const struct module *module);

/* The module's path as the process saw it, without the kernel's " (deleted)"; returns whether that
 * was there. */
bool locate_path(const struct module *module, char path[PATH_MAX]);

/* A regular file, for reading, without ever waiting (it may have become a FIFO): fd or -errno. */
int locate_regular(const char *path);

/* Calls `f` with each folder that users keep binaries in, until it returns something >= 0, and
 * returns that, or -ENOENT. */
int locate_each_folder(int (*f)(void *arg, const char *folder), void *arg);

#endif
