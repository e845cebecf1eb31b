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
#include "collectors/collector.h"
#include "collectors/snapshot.h"

/* Keeps the cpu profile, and the sessions beside it (cpu_rate.h). Its start gives a timer to every
 * thread there is. */
enum { CPU_PART = 1 };
extern const struct collector cpu_collector;

/* Is a signal, taken by other means than its handler, from one of our timers? SIGNAL_SAFE. */
SIGNAL_SAFE bool cpu_sent(const void *siginfo);

/* The signal has come, with its siginfo_t and ucontext_t. False: it is not from one of our timers.
 * SIGNAL_SAFE; also in threads that have no thread block. */
SIGNAL_SAFE bool cpu_signal(const void *siginfo, const void *ucontext);

/* Around an exec in this thread: a timer's signal that is still to be taken would kill the program
 * that comes. What the thread owes is credited when it is resumed. */
void cpu_pause_thread(void);
void cpu_resume_thread(void);

/* Sends the timers' signal, as sigqueue does with this cookie, to every other thread that runs at
 * the moment; a sleeping one is left asleep. SIGNAL_SAFE. */
SIGNAL_SAFE void cpu_interrupt_others(const void *cookie);

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

#endif
