/* SPDX-License-Identifier: MIT
 *
 * Whether this process has recorded anything of its own yet. A forked child starts with its
 * parent's tables, but its own profiles must begin at zero. Most children exec before they count
 * anything, and walking the tables in each of them would cost more than the fork; so the tables are
 * rebased at the child's first event: the present counts become their zero. A child that has
 * recorded nothing leaves no files at its end. Called by every collector before it counts an event.
 * SIGNAL_SAFE.
 */
#ifndef COLLECTORS_RECORDED_H
#define COLLECTORS_RECORDED_H

#include "collectors/base/abi.h"

extern HIDDEN uint32_t recorded_state; /* private to recorded_event() */

/* For each collector that has tables: rebase() is to make the present counts their zero.
 * Constructor only; at most 8. */
void recorded_add(void (*rebase)(void));

SIGNAL_SAFE COLD void recorded_first_event(void);

/* To be called before an event is counted. In a forked child, the first call rebases all tables. */
SIGNAL_SAFE static inline void recorded_event(void)
{
    if (UNLIKELY(LOAD_ACQUIRE(&recorded_state) != 1)) {
        recorded_first_event();
    }
}

/* Has there been an event in this process, since the fork that made it? */
bool recorded_anything(void);

/* Before a dump: rebases the tables of a forked child that has recorded nothing; it still has
 * recorded nothing afterwards. */
SIGNAL_SAFE void recorded_settle(void);

/* In a forked child, before its first event, while it has one thread. */
void recorded_fork_child(void);

#endif
