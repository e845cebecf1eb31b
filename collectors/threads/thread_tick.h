/* SPDX-License-Identifier: MIT
 *
 * A signal for a thread that runs, and for no other: by a timer on that thread's own CPU clock,
 * which expires in the next tick of the kernel's that finds the thread running. A thread that has
 * fallen asleep meanwhile uses no CPU time, so that its system call is never interrupted. Used to
 * ask running threads for their stacks (allthreads_ask.c) and to have them stand still
 * (cpu_interrupt_others). The kernel lets a process do this with its own threads alone.
 * SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_THREAD_TICK_H
#define COLLECTORS_THREAD_TICK_H

#include "collectors/base/abi.h"

/* Sends the signal, with si_code SI_TIMER and this cookie, once. The timer's id, to be given back
 * by thread_tick_drop(); -1: the thread has ended, or there can be no timer. */
SIGNAL_SAFE int thread_tick_arm(int tid, int signal, const void *cookie);
/* Gives the timer back. A signal that it has sent may still come. timer -1: nothing. */
SIGNAL_SAFE void thread_tick_drop(int timer);

/* Is this the siginfo_t of such a signal, with this cookie? */
SIGNAL_SAFE bool thread_tick_is(const void *siginfo, const void *cookie);
/* The id of the timer that sent it. */
SIGNAL_SAFE int thread_tick_timer(const void *siginfo);

#endif
