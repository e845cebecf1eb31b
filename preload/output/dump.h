/* SPDX-License-Identifier: MIT
 *
 * One dump: for each profile, collect, encode, name the file. Runs in the scribe; raw system calls
 * and its own memory only.
 */
#ifndef PRELOAD_DUMP_H
#define PRELOAD_DUMP_H

#include "collectors/base/abi.h"

/* Writes one set of files, the first of so many that have been asked for; what cannot be written is
 * left out. */
void dump_write(uint32_t open);

/* What was wrong with the last one: 0, or the first -errno. Any thread. */
SIGNAL_SAFE int dump_error(void);

/* In a forked child: its dumps are counted from 001 again. */
void dump_fork_child(void);

#endif
