/* SPDX-License-Identifier: MIT
 *
 * The dump: all enabled profiles into the folder PPROF_OUT, as PPROF_KEEP, PPROF_DELTA and
 * PPROF_DEBUG say. It is one request (request.h), whose sink and memory are kept here; the scribe
 * serves it, and preload/output/control.c prepares for it in a thread of the program.
 */
#ifndef PRELOAD_DUMP_H
#define PRELOAD_DUMP_H

#include "preload/output/request.h"

/* Constructor only, after the settings are read. */
void dump_start(void);

/* What each dump asks for. Never changes. */
SIGNAL_SAFE const struct request *dump_request(void);

/* Writes one set of files, the first of `open` dumps that have been asked for; what cannot be
 * written is left out, and what is not begun yet when *stop becomes true (NULL: never does). In the
 * scribe, or in the one thread that does its work. */
void dump_write(uint32_t open, const bool *stop);

/* What was wrong with the last one: 0, or the first -errno. Any thread; SIGNAL_SAFE. */
SIGNAL_SAFE int dump_error(void);

/* In a forked child: its dumps are counted from 001 again, and its differences are from nothing. */
void dump_fork_child(void);

#endif
