/* SPDX-License-Identifier: MIT
 *
 * The symboliser's life: a child of the scribe that puts names into the files of a dump, one at a
 * time, with nothing of the program's but its memory map to look at. Scribe only.
 */
#ifndef PRELOAD_SYMBOLIZER_H
#define PRELOAD_SYMBOLIZER_H

#include "collectors/base/abi.h"

/* The files of a dump are complete: their names without the folder, each terminated, one after the
 * other. Remembered for symbolizer_tend(); when too many dumps wait, the oldest keeps its
 * addresses. library: the path of this library; the program pprof-symbolize is looked for beside it
 * and nowhere else. */
void symbolizer_queue(const char *library, const char *names, size_t bytes, int files);

enum symbolizer_state { SYMBOLIZER_IDLE, SYMBOLIZER_STARTED, SYMBOLIZER_BUSY };

/* Starts the next run if none is going on, or looks whether it has ended. */
enum symbolizer_state symbolizer_tend(void);

/* In a forked child: nothing is queued, nothing runs. */
void symbolizer_fork_child(void);

#endif
