/* SPDX-License-Identifier: MIT
 *
 * Where this process writes its dumps: into PPROF_OUT as long as it is the user that the first
 * injected process was; from a change of the user on into "uid-<uid>" in it, which is made, and
 * given to that user, while the process still may. Under another root nothing is written, unless
 * PPROF_OUT lies below it, or its path there leads to the same folder. No descriptor of a folder is
 * kept: a process that has changed its root could leave it by one. Raw system calls only, no lock;
 * the state is what the first of these functions were told, and is copied by a fork.
 */
#ifndef PRELOAD_PLACE_H
#define PRELOAD_PLACE_H

#include "collectors/base/abi.h"
#include "preload/config.h"

enum { PLACE_BYTES = CONFIG_PATH_MAX + sizeof "/uid-4294967295" };

/* Constructor only. out: PPROF_OUT, absolute, never freed; user: as which the first process ran. */
void place_start(const char *out, uint32_t user);

/* A descriptor of the folder, where what is missing of its path is made, and its path. Or -errno;
 * -EXDEV: it is outside the root. In the process that writes. */
MUST_CHECK int place_open(char path[PLACE_BYTES]);

/* The process is about to have another effective user, or another root (NULL: not known which).
 * False: it could not write afterwards, which a line in PPROF_LOG says; so what is recorded has to
 * be written now. In a thread of the program. */
SIGNAL_SAFE bool place_before_user(uint32_t user);
SIGNAL_SAFE bool place_before_root(const char *root);

#endif
