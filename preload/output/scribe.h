/* SPDX-License-Identifier: MIT
 *
 * The scribe: a process that shares the program's memory and nothing else, made for a dump and gone
 * after it, with a second one that does nothing but wait for it. The program pauses for one
 * clone(); it gets no thread, no child that its wait() could see, no SIGCHLD and no descriptor. The
 * scribe writes the files and then runs the symboliser. With PPROF_INTERVAL it stays, asleep, and
 * also dumps by itself.
 */
#ifndef PRELOAD_SCRIBE_H
#define PRELOAD_SCRIBE_H

#include "collectors/base/abi.h"

/* Asks for a dump and starts a scribe unless one is at work; where no process can be had, the dump
 * is written before this returns. Returns the request's number. SIGNAL_SAFE. */
SIGNAL_SAFE uint32_t scribe_request(void);

/* Waits until the raw files of a request are complete (or its scribe is dead), at most so long, in
 * tenths of a second. True: they are. SIGNAL_SAFE. */
SIGNAL_SAFE bool scribe_wait_written(uint32_t request, int64_t timeout_ns);

/* Waits until no scribe is at work, at most so long. */
void scribe_wait_idle(int64_t timeout_ns);

/* With PPROF_INTERVAL: makes a scribe that stays, unless there is one, and takes scribe_dismiss()
 * back. only_if_recorded: it dumps by itself only once something was recorded. SIGNAL_SAFE. */
SIGNAL_SAFE void scribe_reside(bool only_if_recorded);
/* The program ends: no scribe is to stay. SIGNAL_SAFE. */
SIGNAL_SAFE void scribe_dismiss(void);
/* Is a dump by interval due, and no scribe there to see to it (none can be had, or it was killed)?
 * Says so to one caller. SIGNAL_SAFE. */
SIGNAL_SAFE bool scribe_is_due(void);

/* Collects ended scribes, which are children that only a wait with __WCLONE sees. SIGNAL_SAFE. */
SIGNAL_SAFE void scribe_reap(void);

/* In a forked child: the parent's scribe is none of ours. */
void scribe_fork_child(void);

#endif
