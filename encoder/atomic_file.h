/* SPDX-License-Identifier: MIT
 *
 * A file that appears whole or not at all and never replaces another: written under a hidden
 * temporary name, renamed without replacement at the end. Raw system calls only; runs in the
 * scribe.
 */
#ifndef ENCODER_ATOMIC_FILE_H
#define ENCODER_ATOMIC_FILE_H

#include "collectors/base/abi.h"

enum { FILE_NAME_MAX = 255 };

struct atomic_file {
    int dir; /* descriptor of the folder; the caller's */
    int fd;
    int error;                         /* the first one, sticky */
    char temporary[FILE_NAME_MAX + 1]; /* empty when there is no such file any more */
};

/* Opens a new hidden file (0600, O_EXCL, O_NOFOLLOW) in dir, named after the final name. After a
 * failure there is nothing to give up. */
MUST_CHECK int atomic_file_open(struct atomic_file *f, int dir, const char *final_name);
/* A byte_sink's write, with the file as its argument. */
int atomic_file_write(void *file, const void *buf, size_t n);
/* Closes and renames to final_name; -EEXIST when that name is taken, and then the temporary file
 * stays open to nobody but can be renamed again by atomic_file_rename. Any other error, also one of
 * an earlier write: removed. */
MUST_CHECK int atomic_file_commit(struct atomic_file *f, const char *final_name);
/* Another final name, after a commit that found the first one taken. The same results. */
MUST_CHECK int atomic_file_rename(struct atomic_file *f, const char *final_name);
/* Gives the file up. Right at any time, also after a commit or a failed open, where it does
 * nothing. */
void atomic_file_abandon(struct atomic_file *f);

#endif
