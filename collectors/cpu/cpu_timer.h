/* SPDX-License-Identifier: MIT
 *
 * A thread's timer on its own CPU clock, and which thread may change it. To change the timer, a
 * thread holds the row of the timer's thread: that thread itself as it begins and ends, one that
 * has found it by a scan, one that sets another rate. Used by the files of this folder alone.
 * SIGNAL_SAFE throughout, but for cpu_timer_settle(), which waits for other threads.
 */
#ifndef COLLECTORS_CPU_TIMER_H
#define COLLECTORS_CPU_TIMER_H

#include "collectors/threads/threads.h"

/* The signal that timers send, and the seed of their phases. Constructor, or a forked child. */
void cpu_timer_start(int signal, uint64_t seed);
/* Nanoseconds between the expiries of timers that are armed from now on; 0 = none are armed. */
void cpu_timer_set_period(int64_t ns);
SIGNAL_SAFE int64_t cpu_timer_period(void);
/* No timer is armed from now on, for good: the library stands down. */
void cpu_timer_stop(void);
SIGNAL_SAFE bool cpu_timer_is_stopped(void);
/* Before that, where no system call is to be made: timers are not taken away, but left ticking. */
SIGNAL_SAFE void cpu_timer_leave(void);
/* Stopped, or no timers for now. */
SIGNAL_SAFE bool cpu_timer_is_off(void);
/* A number drawn uniformly from [0, period); 0 while the period is 0. */
SIGNAL_SAFE int64_t cpu_timer_phase(void);

/* Takes a row in one state to be changed (rank LOCK_THREAD_ROW); false if it is not in that state.
 */
SIGNAL_SAFE bool cpu_timer_hold(struct thread *t, uint32_t state);
/* Gives it back, in this state. */
SIGNAL_SAFE void cpu_timer_release(struct thread *t, uint32_t state);
/* Waits until no other thread holds the row. */
void cpu_timer_settle(const struct thread *t);

/* The expiries of a timer: one in each period after `origin`, at an instant that is drawn uniformly
 * from that period for itself, so that no work of the program can keep step with them. */
struct cpu_timer_expiries {
    int64_t origin; /* of the thread's CPU clock, ns */
    int64_t period; /* ns */
    uint32_t draws; /* the seed of the instants */
};

/* The CPU clock at the nth expiry, from 0, ns. */
SIGNAL_SAFE int64_t cpu_timer_expiry(const struct cpu_timer_expiries *e, int64_t nth);
/* How many expiries lie at or before `clock`. */
SIGNAL_SAFE int64_t cpu_timer_expired(const struct cpu_timer_expiries *e, int64_t clock);
/* What a row that is held says. */
SIGNAL_SAFE struct cpu_timer_expiries cpu_timer_expiries(const struct thread *t);

/* Makes a timer for a row that is held; its periods begin at `from`, a value of the thread's CPU
 * clock in ns. Releases the row: THREAD_TIMED, or, if the thread has
 * ended or there can be no timer, THREAD_TAKEN; then the result is false. */
SIGNAL_SAFE bool cpu_timer_arm(struct thread *t, int64_t from);
/* The same for the calling thread's own row, which is not held, unless it has a timer. */
void cpu_timer_begin(struct thread *t, int64_t from);
/* Takes the timer of a row that is held away; the thread's clock is at `clock`. What has expired
 * and is not credited yet is kept for the next timer. */
SIGNAL_SAFE void cpu_timer_remove(struct thread *t, int64_t clock);
/* Sets the timer of the calling thread's own row, which is not held, to the first expiry after
 * `clock`. Does nothing while another thread changes the timer. */
SIGNAL_SAFE void cpu_timer_next(struct thread *t, int64_t clock);
/* Takes the timer of a row that is not held away; the row is THREAD_TAKEN then. Of several threads
 * that try, one succeeds, and gets true. */
SIGNAL_SAFE bool cpu_timer_drop(struct thread *t);

#endif
