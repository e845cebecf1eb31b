/* SPDX-License-Identifier: MIT
 *
 * The symboliser's life: a child of the scribe that puts names into the files of a dump, one at a
 * time, with nothing of the program's but its memory map to look at. Scribe only.
 */
#ifndef PRELOAD_SYMBOLIZER_H
#define PRELOAD_SYMBOLIZER_H

#include "collectors/base/abi.h"

/* The files of a dump are complete. dir: their folder, absolute, never freed; names: theirs, each
 * terminated, one after the other. Remembered for symbolizer_tend(); when too many dumps wait, the
 * oldest keeps its addresses. The program pprof-symbolize is looked for beside this library, which
 * maps tells of, and nowhere else. */
struct maps;
void symbolizer_queue(const struct maps *maps, const char *dir, const char *names, size_t bytes,
                      int files);

/* Puts names into one profile: reads it from descriptor `in` and writes it into `out`, both regular
 * files; waits for it. 0; -ENOENT, or what else kept it from doing so: then out is worth nothing.
 * Only in a process of our own, whose descriptors are its own. */
MUST_CHECK int symbolizer_filter(const struct maps *maps, int in, int out);

enum symbolizer_state { SYMBOLIZER_IDLE, SYMBOLIZER_STARTED, SYMBOLIZER_BUSY };

/* Starts the next run if none is going on, or looks whether it has ended. */
enum symbolizer_state symbolizer_tend(void);

/* The end of the program will wait for what is started from now on, which is therefore not the last
 * in line any more. From the program's side. */
void symbolizer_is_awaited(void);

/* In a forked child: nothing is queued, nothing runs. */
void symbolizer_fork_child(void);

#endif
