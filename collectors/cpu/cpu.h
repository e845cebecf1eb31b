/* SPDX-License-Identifier: MIT
 *
 * The cpu profile: each thread has a timer on its own CPU clock that signals it, and every signal
 * takes the stack. What a signal stands for is not counted in signals but read off the thread's
 * clock: all periods that have ended since the last one. So neither the kernel's habit of looking
 * at such timers only at its ticks nor a mask that held the signal back loses any time, and what
 * the thread still owes when it ends is credited then.
 */
#ifndef COLLECTORS_CPU_H
#define COLLECTORS_CPU_H

#include "collectors/base/abi.h"
#include "collectors/snapshot.h"
#include "collectors/threads/threads.h"

/* Samples per second of CPU time (0 = off), the signal to use, PPROF_SEED (0 = none). Constructor
 * only, after threads_start(); arms every thread there is. */
void cpu_start(uint64_t rate, int signal, uint64_t seed);

/* Another rate (0 = off) for all threads; the previous one, which a negative rate only asks for. */
int64_t cpu_set_rate(int64_t rate);

/* A session beside the profile that goes on from the start, at its rate, or at 100 a second where
 * that is off. False: there is one. Its samples are in cpu_table.h. */
MUST_CHECK bool cpu_session_begin(void);
int64_t cpu_session_period(void);
void cpu_session_end(void);

/* Nanoseconds of CPU time between samples, or when there last were any; 0 when there never were. */
int64_t cpu_period(void);

/* Is a signal, taken by other means than its handler, from one of our timers? SIGNAL_SAFE. */
SIGNAL_SAFE bool cpu_sent(const void *siginfo);

/* The signal has come, with its siginfo_t and ucontext_t. False: it is not from one of our timers.
 * SIGNAL_SAFE; also in threads that have no thread block. */
SIGNAL_SAFE bool cpu_signal(const void *siginfo, const void *ucontext);

/* First and last act of a thread made through pthread_create or thrd_create, in that thread; t is
 * the row its creator took. */
void cpu_thread_begin(struct thread *t);
void cpu_thread_end(struct thread *t);

/* No timer and no sample from now on, for good. */
void cpu_stop(void);

/* Around an exec in this thread: a timer's signal that is still to be taken would kill the program
 * that comes. What the thread owes is credited when it is resumed. */
void cpu_pause_thread(void);
void cpu_resume_thread(void);

/* Sends the timers' signal, as sigqueue does with this cookie, to every other thread that runs at
 * the moment; a sleeping one is left asleep. SIGNAL_SAFE. */
SIGNAL_SAFE void cpu_interrupt_others(const void *cookie);

/* A thread that did not come by cpu_thread_begin: timed from now on, unless it is already. */
SIGNAL_SAFE void cpu_thread_found(int tid);

/* Before a dump, in a thread of the program (the scribe may not read other processes' threads):
 * finds threads without a timer, and measures what no timer covered. at_end: also credits what the
 * living threads owe, because no signal will come any more. A few microseconds, plus some 0.2 µs a
 * thread. SIGNAL_SAFE. */
SIGNAL_SAFE void cpu_before_dump(bool at_end);

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t cpu_snapshot(struct snapshot_sample **out, size_t *bytes);
/* The CPU of this process's start stands in an earlier dump already, of the program that it was
 * before an exec. In the scribe. */
void cpu_start_is_known(void);
/* CPU profile duration: time since the process (or its fork) began to be profiled. */
int64_t cpu_since(void);

/* In a forked child, its parent's nth: only this thread is left, its timer did not come along. */
void cpu_fork_child(uint64_t nth);

#endif
