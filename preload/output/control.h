/* SPDX-License-Identifier: MIT
 *
 * When to dump: on the signal, at the end, and never twice at once. Requests are counted; one
 * scribe (preload/output/scribe.h) at a time serves all that are open.
 */
#ifndef PRELOAD_CONTROL_H
#define PRELOAD_CONTROL_H

#include "collectors/base/abi.h"

#include <signal.h>

/* Constructor only. */
void control_start(void);

/* The process that is being profiled; a vfork child finds another id than its own. 0 = none. */
int control_pid(void);

/* Asks for a set of all profiles and returns at once; each request is a dump, unless dozens are
 * open. context: of the signal that asks. Any thread, any instruction; SIGNAL_SAFE. */
SIGNAL_SAFE void control_dump(const void *context);

/* The same for pprof_dump(): returns when the raw files are complete. 0 or the first -errno; -EPERM
 * in a vfork child. */
int control_dump_wait(void);

/* The end of the process: the last dump if there is to be one, and the wait for it. Once. */
void control_end(void);

/* The program is about to become another one: the last dump, as at its end, and no wait for the
 * symboliser. The process may yet go on, if the exec fails. */
void control_before_exec(void);

/* The same in the handler of a signal that kills: waits for the raw files alone, and for no other
 * end that is under way. Any thread; SIGNAL_SAFE. */
SIGNAL_SAFE void control_end_by_signal(void);

/* Is this process profiled (or a vfork child of one that is)? Asks the kernel nothing. */
SIGNAL_SAFE bool control_is_profiled(void);

/* Do the books that are kept of the program's signals and masks tell of this process? Not in a
 * vfork child. SIGNAL_SAFE. */
SIGNAL_SAFE bool control_is_here(void);

/* The last dump, now; from here on none is asked for, by anything. */
void control_stand_down(void);

/* That exec has failed. */
void control_exec_failed(void);

/* The live heap has passed its last peak: a dump, of this moment: the thread goes on when it is
 * written, or after 0.1 s. Inside malloc; SIGNAL_SAFE. */
SIGNAL_SAFE void control_heap_grown(void);

/* While the process ends and waits for its last dump, no other thread of it is to run on: bare, it
 * would be gone by now. Those that run are sent a signal, found by this; those that wake up come by
 * at their next tick. They stand still in the handler until the wait is over. SIGNAL_SAFE. */
SIGNAL_SAFE bool control_is_park_signal(const siginfo_t *info);
SIGNAL_SAFE void control_park(void);

/* At each tick of a thread's timer: collects a scribe that has ended, if there is one. SIGNAL_SAFE;
 * nothing to do costs a load. */
SIGNAL_SAFE void control_tick(const void *context);

/* In a forked child. */
void control_fork_child(void);

#endif
