/* SPDX-License-Identifier: MIT
 *
 * The scribe: the process that writes dumps. It is a helper (preload/output/helper_process.h): it
 * shares the program's memory, is made for a dump and ends after it. The program pauses for one
 * clone(), and gets no thread, no child that its wait() could see, no SIGCHLD and no descriptor.
 * The scribe writes the files (preload/output/dump.h) and then runs the symboliser
 * (preload/output/symbolizer.h). With PPROF_INTERVAL it stays, asleep, and also dumps by the clock.
 *
 * Called by preload/output/control.c. No lock: the state is one word, see scribe.c.
 */
#ifndef PRELOAD_SCRIBE_H
#define PRELOAD_SCRIBE_H

#include "collectors/base/abi.h"

/* Constructor only. */
void scribe_start(void);

/* Asks for a dump, and makes a scribe unless one is at work. Where no process can be made, the
 * calling thread writes the dump before this returns. The number of the request, for
 * scribe_wait_written(). Any thread. */
SIGNAL_SAFE uint32_t scribe_request(void);

/* Waits until the files of a request are complete, but for their names. False: they are not, for
 * timeout_ns (rounded up to 0.1 s) has passed, or the scribe was killed. */
SIGNAL_SAFE bool scribe_wait_written(uint32_t request, int64_t timeout_ns);

/* Waits until no scribe is at work, so that all files have their names; at most timeout_ns. False:
 * one is still at work. */
SIGNAL_SAFE bool scribe_wait_idle(int64_t timeout_ns);

/* With PPROF_INTERVAL: makes a scribe that stays, unless there is one. only_if_recorded: it dumps
 * by the clock only once something has been recorded. Also undoes what the next two have done. */
SIGNAL_SAFE void scribe_reside(bool only_if_recorded);
/* The process is about to end or to exec: one more request follows at most, and a scribe leaves
 * when it has nothing to do. Does it wait for the symboliser, too? NAMES_MAY_FOLLOW: only where no
 * process may outlive the program to put the names in (preload/output/adoption.h). */
enum scribe_names { NAMES_AWAITED, NAMES_MAY_FOLLOW, NAMES_LEFT };
SIGNAL_SAFE void scribe_dismiss(enum scribe_names names);
/* After that: waits until no process of ours is a child of the program any more. What has no names
 * yet is named by a process that outlives the program (preload/output/adoption.h), or stays raw. */
SIGNAL_SAFE void scribe_leave(void);
/* Makes a scribe, unless one is at work, that writes no dump but has the symboliser run. */
SIGNAL_SAFE void scribe_look_for_names(void);

/* The program is about to change what it may do. A scribe that is at work finishes its dumps, not
 * their names, and leaves; returns when it and all its processes have been collected, or after 5 s,
 * in which it was killed. Until scribe_return() no other is made; requests wait. */
SIGNAL_SAFE void scribe_withdraw(void);
/* The change is made, or has failed: a scribe is made anew if there is work for one. */
SIGNAL_SAFE void scribe_return(void);

/* Is there a scribe, or one that has ended and is not yet collected? */
SIGNAL_SAFE bool scribe_is_beside(void);
/* Is a thread between the two? */
SIGNAL_SAFE bool scribe_is_changing(void);

/* With PPROF_INTERVAL, at a tick: makes a scribe that stays, if the last one has left because the
 * program has changed what it may do. */
SIGNAL_SAFE void scribe_stay(void);
/* With PPROF_INTERVAL: is a dump due, and no scribe there to make it, because none could be made or
 * it was killed? True for one caller each time, which is to ask for the dump then. */
SIGNAL_SAFE bool scribe_is_due(void);

/* Collects the processes of scribes that have ended, so that no zombie stays. */
SIGNAL_SAFE void scribe_reap(void);

/* In a forked child: it has no scribe; the one that its memory tells of is its parent's. */
void scribe_fork_child(void);

#endif
