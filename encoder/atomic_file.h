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

/* Opens a new hidden file (0600, O_EXCL, O_NOFOLLOW) in dir, named after the final name. 0 or
 * -errno; after a failure no file is left and atomic_file_abandon is not needed. */
MUST_CHECK int atomic_file_open(struct atomic_file *f, int dir, const char *final_name);
/* A byte_sink's write, with the file as its argument: all n bytes. 0, or the file's first -errno,
 * which sticks. */
int atomic_file_write(void *file, const void *buf, size_t n);
/* Closes the file and renames it to final_name. -EEXIST: that name is taken; the temporary file
 * stays, closed, for atomic_file_rename to try another name. Any other -errno, also that of an
 * earlier write: the temporary file is removed. */
MUST_CHECK int atomic_file_commit(struct atomic_file *f, const char *final_name);
/* Tries another final name, after a commit has returned -EEXIST. The same results. */
MUST_CHECK int atomic_file_rename(struct atomic_file *f, const char *final_name);
/* Closes and removes the temporary file. Allowed at any time; after a commit or a failed open it
 * does nothing. */
void atomic_file_abandon(struct atomic_file *f);

#endif
