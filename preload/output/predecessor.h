/* SPDX-License-Identifier: MIT
 *
 * Files that an exec left without names. A program that execs does not wait for names; where no
 * process may outlive it (adoption.h), its files stay raw, and the marker in the environment
 * (preload/marker.h) tells so to the program that the process becomes. That one, if the library is
 * in it, has them named together with its own first files.
 */
#ifndef PRELOAD_PREDECESSOR_H
#define PRELOAD_PREDECESSOR_H

#include "collectors/base/abi.h"

/* Has the process left raw files before its last exec, which are not queued yet? */
SIGNAL_SAFE bool predecessor_waits(void);

/* Then queues them for the symboliser. In the scribe, or where that does its work. */
void predecessor_queue(void);

/* In a forked child: they are the parent's. */
void predecessor_fork_child(void);

#endif
