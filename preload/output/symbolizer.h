/* SPDX-License-Identifier: MIT
 *
 * How the symboliser is run: pprof-symbolize, a program of its own that puts names into profiles.
 * It sees nothing of the profiled program but its memory map. One runs at a time; dumps that are
 * complete wait for their turn. Called in the scribe, and by what writes into a descriptor: raw
 * system calls only.
 */
#ifndef PRELOAD_SYMBOLIZER_H
#define PRELOAD_SYMBOLIZER_H

#include "collectors/base/abi.h"

/* The files of a dump are complete. dir: their folder, absolute; names: theirs, each
 * terminated by a zero byte, one after the other; bytes: of all names; files: how many. They wait
 * for symbolizer_tend(). If 64 dumps wait already, the oldest is dropped and its files keep
 * addresses. pprof-symbolize is looked for beside this library, whose path maps tells, and nowhere
 * else; without it, or with PPROF_SYMBOLIZE=0, nothing is done. */
struct maps;
void symbolizer_queue(const struct maps *maps, const char *dir, const char *names, size_t bytes,
                      int files);

/* Puts names into one profile: pprof-symbolize reads it from descriptor `in` and writes it to
 * `out`, both regular files; returns when it has ended. 0; else -ENOENT (no symboliser) or -EIO (it
 * failed), and what is in `out` must not be used. Only in a process of ours that has a table of
 * descriptors of its own, and SIGCHLD at its default. */
MUST_CHECK int symbolizer_filter(const struct maps *maps, int in, int out);

enum symbolizer_state { SYMBOLIZER_IDLE, SYMBOLIZER_STARTED, SYMBOLIZER_BUSY };

/* Starts a run for the next dump that waits, unless one is going on. SYMBOLIZER_IDLE: none waits
 * and none runs; _STARTED: one was started; _BUSY: one still runs. */
enum symbolizer_state symbolizer_tend(void);

/* Ends a run that is going on, and puts its dump back in the line: the scribe is about to leave,
 * and the next one begins the run anew. */
void symbolizer_put_back(void);
/* The scribe leaves for good, and waits for no names: a run that is going on is left behind, and
 * one more is started for all dumps that wait. Where that may not be (adoption.h), the run is ended
 * and the files stay as they are. Takes the time of an exec. */
void symbolizer_part(void);
/* Has that left files without names? In a thread of the program. */
SIGNAL_SAFE bool symbolizer_left_raw(void);
/* Does a dump wait for its names? In a thread of the program. */
SIGNAL_SAFE bool symbolizer_waits(void);

/* The process is about to wait for its files to get their names: runs that are started from now on
 * are scheduled as others are, and not only when a processor is idle. In a thread of the program.
 */
void symbolizer_is_awaited(void);

/* In a forked child: nothing is queued, nothing runs. */
void symbolizer_fork_child(void);

#endif
