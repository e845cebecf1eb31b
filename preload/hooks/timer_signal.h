/* SPDX-License-Identifier: MIT
 *
 * The signal by which threads are timed, asked where they are, and made to stand still: the one
 * that libc keeps to itself for cancelling threads (LIBC_SIGNAL_CANCEL). No mask that a program
 * sets through libc holds it back, and no handler, wait or default action of the program's meets
 * it. What is not ours of these signals is passed on to what libc has set for it.
 */
#ifndef PRELOAD_TIMER_SIGNAL_H
#define PRELOAD_TIMER_SIGNAL_H

#include "collectors/base/abi.h"

#include <signal.h>

/* Constructor only. False: the kernel refuses the handler, and the signal must not be sent. */
MUST_CHECK bool timer_signal_start(void);
/* The handler stays, but is not put back any more: the kernel may refuse us. Any thread. */
void timer_signal_stop(void);
void timer_signal_fork_child(void);

/* libc installs its own handler when it first needs one, in front of ours: if it has, ours is put
 * in front again. One system call. Any thread. SIGNAL_SAFE. */
SIGNAL_SAFE void timer_signal_look(void);

/* Installs the handler again, with the flags that are in force now. */
void timer_signal_renew(void);

/* If the signal was ignored when the process began, a program that it starts inherits that. After
 * an exec that has failed: timer_signal_look(). */
void timer_signal_before_exec(void);

/* The other half of the handler; see ARCH_SIGNAL_STUB. */
void *timer_signal_came(int sig, const siginfo_t *info, void *context);

#endif
