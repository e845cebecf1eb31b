/* SPDX-License-Identifier: MIT
 *
 * A thread's timer on its own CPU clock, and who may change it. The row of a thread is changed by
 * whoever holds it: its own thread as it begins, one that has found it, one that sets another rate.
 * Used by cpu.c alone. SIGNAL_SAFE throughout, but for cpu_timer_settle(), which waits for others.
 */
#ifndef COLLECTORS_CPU_TIMER_H
#define COLLECTORS_CPU_TIMER_H

#include "collectors/threads/threads.h"

/* The signal that timers send, and what fixes their phases. Constructor, or a forked child. */
void cpu_timer_start(int signal, uint64_t seed);
/* Nanoseconds between the expiries of timers that are armed from now on; 0 = none is. */
void cpu_timer_set_period(int64_t ns);
SIGNAL_SAFE int64_t cpu_timer_period(void);
/* No timer is armed from now on, for good: the library stands down. */
void cpu_timer_stop(void);
SIGNAL_SAFE bool cpu_timer_is_stopped(void);
/* Stopped, or no timers for now. */
SIGNAL_SAFE bool cpu_timer_is_off(void);
/* Uniform in [0, period): the phase of something. */
SIGNAL_SAFE int64_t cpu_timer_phase(void);

/* Takes a row in one state to be changed (rank LOCK_THREAD_ROW); false if it is not in that state.
 */
SIGNAL_SAFE bool cpu_timer_hold(struct thread *t, uint32_t state);
/* Gives it back, in this state. */
SIGNAL_SAFE void cpu_timer_release(struct thread *t, uint32_t state);
/* Waits until nobody changes the row. */
void cpu_timer_settle(const struct thread *t);

/* A timer for a row that is held, its expiries beginning within a period of CPU time `from`. The
 * row is TIMED then, or, where the thread has ended, or the kernel refuses and nothing else helps,
 * TAKEN, and this is false. */
SIGNAL_SAFE bool cpu_timer_arm(struct thread *t, int64_t from);
/* The same for the calling thread's own row, unless it has one. */
void cpu_timer_begin(struct thread *t, int64_t from);
/* The next expiry of an armed timer, as timer_settime() takes it. */
SIGNAL_SAFE void cpu_timer_set(const struct thread *t, int64_t first, int flags);
/* Takes a row's timer away: it is TAKEN then. Of those who try, one does it and is told so. */
SIGNAL_SAFE bool cpu_timer_drop(struct thread *t);

#endif
