/* SPDX-License-Identifier: MIT
 *
 * A new file in the place of an old one, or nothing at all.
 *
 * batch.c begins one for each output, writes to its descriptor, and ends it by commit or abandon;
 * exactly one of the two, and one replacement at a time.
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
    bool replaces; /* there is an old file, and it must still be there */
};

/* `old`: the open file that will be replaced; -1 = a new file, or whatever is there. 0 or -errno.
 */
int replace_begin(struct replace *replace, const char *path, int old);

/* Puts the new file in place. -ENOENT: the old one has been taken away meanwhile, so there is none
 * now; -EBUSY: it is another one now, which stays. */
int replace_commit(struct replace *replace);
void replace_abandon(struct replace *replace);

/* From now on a fatal signal removes the temporary file before it ends the process. */
void replace_guard_signals(void);

#endif
