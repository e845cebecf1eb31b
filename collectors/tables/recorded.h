/* SPDX-License-Identifier: MIT
 *
 * Whether this process has recorded anything of its own yet. A forked child starts with its
 * parent's tables; what it counts must begin at zero, but most children exec before they count
 * anything, and walking the tables in each of them would cost more than the fork. So the tables are
 * rebased at the child's first event. It also decides whether a child leaves files at its end.
 * SIGNAL_SAFE.
 */
#ifndef COLLECTORS_RECORDED_H
#define COLLECTORS_RECORDED_H

#include "collectors/base/abi.h"

extern HIDDEN uint32_t recorded_state; /* private to recorded_event() */

/* Called by each collector that has tables: rebase is to set their zero to the present counts.
 * Constructor only; at most 8. */
void recorded_add(void (*rebase)(void));

SIGNAL_SAFE COLD void recorded_first_event(void);

/* To be called before an event is counted. */
SIGNAL_SAFE static inline void recorded_event(void)
{
    if (UNLIKELY(LOAD_ACQUIRE(&recorded_state) != 1)) {
        recorded_first_event();
    }
}

/* Has there been an event in this process (since the fork)? */
bool recorded_anything(void);

/* Before a dump: a forked child that has recorded nothing is rebased, and still has recorded
 * nothing. */
SIGNAL_SAFE void recorded_settle(void);

/* In a forked child, before its first event; only its one thread exists. */
void recorded_fork_child(void);

#endif
