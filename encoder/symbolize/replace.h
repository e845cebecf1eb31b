/* SPDX-License-Identifier: MIT
 *
 * Puts a new file in the place of an old one in one step, or leaves the old one.
 *
 * batch.c begins a replacement for each output, writes to its descriptor, and ends it by either
 * commit or abandon. One replacement at a time.
 */
#ifndef ENCODER_SYMBOLIZE_REPLACE_H
#define ENCODER_SYMBOLIZE_REPLACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct replace {
    int folder, fd; /* fd: the new file, for writing */
    char base[NAME_MAX + 1], temporary[64];
    struct stat old;
    bool replaces; /* an old file is replaced, and only that very file */
};

/* Creates the new file, hidden, in the folder of `path`. `old` is the open file that is to be
 * replaced; -1: any file of that name, or none, is. 0 or -errno.
 */
int replace_begin(struct replace *replace, const char *path, int old);

/* Puts the new file in place. 0 or -errno, then the new file is removed. -ENOENT: the old file has
 * been taken away meanwhile, and none is made in its place. -EBUSY: another file has its name now
 * and stays. */
int replace_commit(struct replace *replace);
void replace_abandon(struct replace *replace);

/* Installs handlers: a fatal signal removes the temporary file of a replacement before it ends the
 * process. */
void replace_guard_signals(void);

#endif
