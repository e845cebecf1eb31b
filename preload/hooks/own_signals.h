/* SPDX-License-Identifier: MIT
 *
 * The library's signal handlers: when they are installed, and given back. The handlers themselves
 * are in own_signals.c and timer_signal.c; what the program believes of the same signals is in
 * disposition.h.
 */
#ifndef PRELOAD_OWN_SIGNALS_H
#define PRELOAD_OWN_SIGNALS_H

#include "preload/hooks/disposition.h"

/* Installs the handlers of the timers' signal and the dump signal (0 = none), and, if dump_at_end,
 * those of SIGTERM, SIGINT and SIGHUP where they are at their default action. False: the kernel
 * refuses the handler of the timers' signal, which must not be sent. Constructor only. */
MUST_CHECK bool own_signals_start(int dump_signal, bool dump_at_end);

/* Gives SIGTERM, SIGINT and SIGHUP back to the program. The handlers of the timers' signal and the
 * dump signal stay, because such a signal may be on its way. Any thread. */
void own_signals_stop(void);

/* Looks at an action that the program has set. A program that defines sigaction() itself and puts
 * SA_ONSTACK on its handlers has threads whose stack pointer is not that of a stack (Erlang's VM):
 * from then on our handlers run on alternate stacks, too. Any thread. */
void own_signals_see_action(int sig, const struct sigaction *act);

/* Gives SIGTERM, SIGINT and SIGHUP back for good. */
void own_signals_leave_fatal(void);

/* The dump signal as a kernel's mask, if the program has no handler for it; else 0. */
uint64_t own_signals_unhandled(void);

/* In a forked child: frees the locks that other threads of the parent held. */
void own_signals_fork_child(void);

/* The timers' signal and the dump signal as a kernel's mask: bit n - 1 for signal n. SIGNAL_SAFE.
 */
uint64_t own_signals_mask(void);

/* Installs a handler again, after the program's belief has changed: with those of the program's
 * flags that the kernel acts on. If the program ignores the signal now, one that is pending is
 * dropped, as the kernel does it. 0 or -1 and errno. Any thread. */
int own_signals_changed(struct disposition *d);
/* The same, and what is pending stays. */
int own_signals_install(struct disposition *d);

/* Before an exec or a spawn: of the signals that we handle, the kernel ignores those that the
 * program believes to be ignored, until own_signals_exec_failed(). Any thread, also in a vfork
 * child, whose kernel dispositions are its own. */
void own_signals_before_exec(void);
void own_signals_exec_failed(void);

/* The other halves of handlers, called by their stubs; see ARCH_SIGNAL_STUB. */
void *own_signals_dump_came(int sig, const siginfo_t *info, void *context);
void *own_signals_fatal_came(int sig, const siginfo_t *info, void *context);

#endif
