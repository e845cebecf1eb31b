/* SPDX-License-Identifier: MIT
 *
 * See cpu.h. Contexts: the timer's signal (any instruction of the program), and once a dump. No
 * locks; everything is SIGNAL_SAFE but the start and the fork.
 */
#include "collectors/cpu/cpu.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_credit.h"
#include "collectors/cpu/cpu_rate.h"
#include "collectors/cpu/cpu_table.h"
#include "collectors/cpu/cpu_threads.h"
#include "collectors/cpu/cpu_timer.h"
#include "collectors/cpu/cpu_unsampled.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/recorded.h"
#include "collectors/tables/sampler.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/thread_tick.h"

#include <signal.h>

enum { SIGNALS_PER_SCAN = 16 };

static int signal_used;
static uint32_t signals_seen;
static uint64_t seed_given;
static int64_t started; /* CLOCK_MONOTONIC */

/* ---- the sampled instant ---- */

static struct thread *sender(const siginfo_t *info)
{
    return info->si_code == SI_TIMER ? threads_from_cookie(info->si_value.sival_ptr) : NULL;
}

/* Credits the calling thread, whose row t is, with the periods that have ended, to the stack that
 * was interrupted. A foreign thread may have no thread block, or share its creator's: no
 * thread-local memory may be touched in it. */
static void look(struct thread *t, const void *ucontext)
{
    int64_t length;
    int64_t clock = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    int64_t periods = cpu_credit_claim(t, clock, &length);
    cpu_timer_next(t, clock);
    if (periods == 0) {
        return;
    }
    struct regs regs;
    regs_from_context(&regs, ucontext);
    struct stack_bounds bounds = {.lo = t->stack_lo,
                                  .hi = t->stack_hi,
                                  .foreign = t->foreign,
                                  .trail = t->foreign ? NULL : &self.trail};
    const struct labels *labels = t->foreign ? labels_of_process() : self.labels;
    cpu_table_credit(stack_of_context(&regs, &bounds), labels, length, periods);
    if (ADD(&signals_seen, 1) % SIGNALS_PER_SCAN == 0) {
        cpu_threads_find(false);
    }
}

bool cpu_signal(const void *siginfo, const void *ucontext)
{
    const siginfo_t *info = siginfo;
    if (UNLIKELY(cpu_timer_is_stopped())) {
        return sender(info) != NULL;
    }
    struct thread *t = sender(info);
    if (!t) {
        return false;
    }
    /* Else the signal is from a timer that was deleted meanwhile, and its row is another thread's.
     */
    if (LOAD(&t->tid) == sys_gettid() && LOAD(&t->state) == THREAD_TIMED) {
        look(t, ucontext);
    }
    return true;
}

/* ---- the other threads are interrupted ---- */

static void interrupt(struct thread *t, void *cookie)
{
    int tid = LOAD_ACQUIRE(&t->tid);
    if (tid != 0 && tid != sys_gettid() && !LOAD(&t->aside)) {
        thread_tick_arm(tid, signal_used, cookie);
    }
}

void cpu_interrupt_others(const void *cookie)
{
    if (!cpu_timer_is_off()) {
        threads_each(interrupt, (void *)(uintptr_t)cookie);
    }
}

bool cpu_is_interrupted(const void *siginfo, const void *cookie)
{
    bool ours = thread_tick_is(siginfo, cookie);
    if (ours) {
        thread_tick_drop(thread_tick_timer(siginfo));
    }
    return ours;
}

/* ---- around dumps ---- */

void cpu_before_dump(bool at_end)
{
    if (!cpu_timer_is_off()) {
        cpu_threads_find(true);
        cpu_unsampled_survey(at_end);
    }
}

size_t cpu_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    return cpu_table_snapshot(out, bytes);
}

int64_t cpu_since(void)
{
    return sys_clock_ns(CLOCK_MONOTONIC) - started;
}

/* ---- start, stop and fork ---- */

/* Credits the CPU time before the first timer, ns, to "[process start]": whole periods, rounded up
 * with the probability of the fraction that is left, so that the mean is right. */
static void credit_start(int64_t clock)
{
    int64_t period = cpu_timer_period();
    if (period != 0) {
        cpu_table_started(period, (clock + cpu_timer_phase()) / period);
    }
}

void cpu_start_is_known(void)
{
    cpu_table_started(cpu_timer_period(), 0);
}

static void start(const struct collector_settings *s, uint32_t parts)
{
    cpu_table_start();
    started = sys_clock_ns(CLOCK_MONOTONIC);
    seed_given = s->seed ? s->seed : (uint64_t)started;
    signal_used = s->signal;
    cpu_timer_start(signal_used, seed_given);
    cpu_rate_start(s->cpu_rate, parts != 0);
    credit_start(cpu_unsampled_begin());
    cpu_thread_enter();
    /* A library's constructor that ran before ours may have made threads. */
    if (cpu_timer_period() != 0 && !libc_is_single_threaded()) {
        cpu_threads_find_all();
    }
}

static void disarm(struct thread *t, void *arg)
{
    (void)arg;
    cpu_timer_drop(t);
}

void cpu_leave_timers(void)
{
    cpu_timer_leave();
}

static void stop(void)
{
    cpu_timer_stop();
    threads_each(disarm, NULL);
}

static void drop_labels(struct thread *t, void *keep)
{
    if (t != keep) {
        labels_unref(t->labels);
    }
}

static void fork_child(uint64_t nth)
{
    threads_each(drop_labels, self.thread);
    threads_fork_child(self.thread);
    started = sys_clock_ns(CLOCK_MONOTONIC);
    cpu_table_unsampled(cpu_period(), 0);
    cpu_table_started(cpu_period(), 0);
    if (cpu_timer_is_stopped()) {
        return;
    }
    seed_given = sampler_seed(seed_given, nth);
    cpu_timer_start(signal_used, seed_given);
    cpu_rate_fork_child();
    int64_t before = cpu_unsampled_begin(); /* 0, but in a child that is met late (newborn.h) */
    credit_start(before);
    cpu_thread_enter();
    if (cpu_timer_period() != 0 && before >= cpu_timer_period()) {
        recorded_event();
    }
}

const struct collector cpu_collector = {start, stop, fork_child};
