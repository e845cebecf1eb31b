/* SPDX-License-Identifier: MIT
 *
 * The library's signal handlers: when they are installed, and given back. The handlers themselves
 * are in own_signals.c; what the program believes of the same signals is in disposition.h.
 */
#ifndef PRELOAD_OWN_SIGNALS_H
#define PRELOAD_OWN_SIGNALS_H

#include "preload/hooks/disposition.h"

/* Installs the handlers for SIGPROF and the dump signal (0 = none), and, if dump_at_end, for
 * SIGTERM, SIGINT and SIGHUP where they are at their default action. Constructor only. */
void own_signals_start(int dump_signal, bool dump_at_end);

/* Gives SIGTERM, SIGINT and SIGHUP back to the program. The handlers of SIGPROF and the dump signal
 * stay, because such a signal may be on its way. Any thread. */
void own_signals_stop(void);

/* In a forked child: frees the locks that other threads of the parent held. */
void own_signals_fork_child(void);

/* SIGPROF and the dump signal as a kernel's mask: bit n - 1 for signal n. SIGNAL_SAFE. */
uint64_t own_signals_mask(void);

/* Installs a handler again, after the program's belief has changed: with those of the program's
 * flags that the kernel acts on. 0 or -1 and errno. Any thread. */
int own_signals_install(struct disposition *d);

/* The program has set an alternate stack, for any of its threads: if it is too small for our
 * handlers, they are installed without SA_ONSTACK from here on. Any thread. */
void own_signals_see_stack(const stack_t *stack);

/* Before an exec or a spawn: of the signals that we handle, the kernel ignores those that the
 * program believes to be ignored, until own_signals_exec_failed(). Any thread, also in a vfork
 * child, whose kernel dispositions are its own. */
void own_signals_before_exec(void);
void own_signals_exec_failed(void);

#endif
