/* SPDX-License-Identifier: MIT
 *
 * Which thread a sample is of (PPROF_THREAD_LABELS): its id and the name that it has at the moment,
 * as ps and top show it. The kernel is asked anew for each sample that is kept, two system calls,
 * and so knows of every change, in whatever way a thread is renamed. Off by default; nothing is
 * asked then. Called by the collectors of cpu, block, mutex and goroutine. No lock.
 */
#ifndef COLLECTORS_THREAD_NAME_H
#define COLLECTORS_THREAD_NAME_H

#include "collectors/snapshot.h"

extern HIDDEN bool thread_name_on; /* written in the constructor only */

/* Constructor only. */
void thread_name_start(bool on);

/* The calling thread, kept for ever; NULL = off, or no memory. May be called where the thread has
 * no thread block of its own. */
SIGNAL_SAFE COLD const struct thread_name *thread_name_ask(void);
SIGNAL_SAFE static inline const struct thread_name *thread_name_here(void)
{
    return UNLIKELY(thread_name_on) ? thread_name_ask() : NULL;
}

/* The same for a thread whose name is known. After THREAD_NAMES_MAX different pairs a new one is
 * told by its name alone, and after as many names not at all. */
enum { THREAD_NAMES_MAX = 1 << 16 };
SIGNAL_SAFE const struct thread_name *thread_name_keep(int tid, const char *name);

#endif
