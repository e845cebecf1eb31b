/* SPDX-License-Identifier: MIT
 *
 * The cpu profile: each thread has a kernel timer on its own CPU clock that sends it a signal, and
 * the signal's handler takes the stack. A signal stands for all periods that have ended on the
 * thread's clock since the last look (cpu_credit.h). So no time is lost where the kernel looks at
 * timers only at its own ticks, or where the program has blocked the signal for a while; and what a
 * thread has not been credited with when it ends is credited then.
 *
 * Called by preload/hooks/timer_signal.c at each such signal, and by preload/output/control.c
 * before a dump.
 */
#ifndef COLLECTORS_CPU_H
#define COLLECTORS_CPU_H

#include "collectors/base/abi.h"
#include "collectors/collector.h"
#include "collectors/snapshot.h"

/* Keeps the profile cpu, and the sessions beside it (cpu_rate.h). Its start gives a timer to every
 * thread that there is. */
enum { CPU_PART = 1 };
extern const struct collector cpu_collector;

/* Before the collector is stopped where no system call is to be made: timers are left ticking, and
 * their signals do nothing. */
SIGNAL_SAFE void cpu_leave_timers(void);

/* The timers' signal has come, with its siginfo_t and ucontext_t. False: it is not from one of our
 * timers. SIGNAL_SAFE; also in threads that have no thread block. */
SIGNAL_SAFE bool cpu_signal(const void *siginfo, const void *ucontext);

/* Has the timers' signal come, with this cookie, to every other thread: at the next of the kernel's
 * ticks that finds it running, and not as long as it sleeps. SIGNAL_SAFE. */
SIGNAL_SAFE void cpu_interrupt_others(const void *cookie);
/* Is this the siginfo_t of such a signal? To be asked by its handler, once. SIGNAL_SAFE. */
SIGNAL_SAFE bool cpu_is_interrupted(const void *siginfo, const void *cookie);

/* Before a dump, in a thread of the program (the kernel lets a process read the clocks of its own
 * threads alone, so the scribe cannot): finds threads without a timer, and measures the CPU time
 * that no timer covered. at_end: also credits what the living threads have not been credited with,
 * because no signal will come any more. A few microseconds, plus some 0.2 µs a thread. SIGNAL_SAFE.
 */
SIGNAL_SAFE void cpu_before_dump(bool at_end);

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t cpu_snapshot(struct snapshot_sample **out, size_t *bytes);
/* The CPU time of this process before the library's start stands in an earlier dump already: that
 * of the program which exec'ed this one. In the scribe. */
void cpu_start_is_known(void);
/* ns since the process (or the fork that made it) began to be profiled: the profile's duration. */
int64_t cpu_since(void);

#endif
