/* SPDX-License-Identifier: MIT
 *
 * Has the process another root than when it started (chroot, pivot_root, a namespace of mounts)?
 * The paths that the library was given lead elsewhere then. Asked before a path is opened, in any
 * process and thread, also in those of ours. SIGNAL_SAFE.
 */
#ifndef BASE_ROOT_H
#define BASE_ROOT_H

#include "collectors/base/abi.h"

/* What tells a file from all others. */
struct identity {
    uint64_t device, inode; /* inode 0 = no file */
};

/* Of an open file, and of a path. */
SIGNAL_SAFE struct identity identity_of(int fd);
SIGNAL_SAFE struct identity identity_at(const char *path);
SIGNAL_SAFE bool identity_same(const struct identity *a, const struct identity *b);

/* Constructor only. */
void root_remember(void);
SIGNAL_SAFE bool root_is_another(void);

#endif
