/* SPDX-License-Identifier: MIT
 *
 * See cpu.h. Contexts: the timer's signal (any instruction of the program), the two ends of a
 * thread, and once a dump. No locks; everything is SIGNAL_SAFE.
 *
 * A timer's first expiry is drawn uniformly from the first period, so that a thread of any length
 * is credited floor(c/p) or floor(c/p) + 1 periods with the expectation c/p exactly. Expiries lie
 * at first, first + p, first + 2p, … on the thread's clock, and `credited` counts those accounted
 * for: however signals come, late, merged or not at all, the sum is right.
 */
#include "collectors/cpu/cpu.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/lock.h"
#include "collectors/base/self.h"
#include "collectors/cpu/cpu_itimer.h"
#include "collectors/cpu/cpu_table.h"
#include "collectors/cpu/cpu_timer.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/sampler.h"
#include "collectors/threads/labels.h"

#include <signal.h>

enum {
    SIGNALS_PER_SCAN = 16,
    FOUND_PER_SWEEP = 64,
    SESSION_RATE = 100, /* where no other is set */
};

static void find_threads(bool at_dump);

static int64_t rate_set;     /* of the profile that goes on from the start, 1/s; 0 = off */
static int64_t period_set;   /* its period, or the last one it had; 0 = it was never on */
static bool session;         /* there is one */
static struct lock changing; /* of the rate */
static bool stopped;         /* for good */
static int signal_used;
static uint32_t signals_seen;
static uint32_t found_count;
static uint64_t seed_given;
static int64_t started;         /* CLOCK_MONOTONIC */
static int64_t process_base;    /* the process's CPU clock when sampling began */
static int64_t covered_by_dead; /* CPU ns of timed threads that have ended */

static bool is_off(void)
{
    return cpu_timer_period() == 0 || LOAD(&stopped);
}

/* ---- the sampled instant ---- */

/* Claims the periods that have ended but are not credited; how many, and of what length. Two may
 * ask at once: the thread itself, and the one that ends the process. Nothing while the timer is
 * being changed: what is due then is claimed next time. */
static int64_t claim(struct thread *t, int64_t clock, int64_t *length)
{
    uint32_t changes = LOAD_ACQUIRE(&t->changes);
    int64_t first = LOAD(&t->first);
    int64_t due = LOAD(&t->before);
    *length = (int64_t)LOAD(&t->period);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (changes % 2 != 0 || LOAD(&t->changes) != changes || *length == 0) {
        return 0;
    }
    due += clock < first ? 0 : 1 + (clock - first) / *length;
    int64_t seen = LOAD(&t->credited);
    while (due > seen) {
        if (CAS(&t->credited, &seen, due)) {
            return due - seen;
        }
    }
    return 0;
}

static void credit(const struct stack *stack, const struct labels *labels, int64_t length,
                   int64_t periods)
{
    cpu_table_credit(stack, labels, length, periods, LOAD(&rate_set) == 0);
}

static struct thread *sender(const siginfo_t *info)
{
    return info->si_code == SI_TIMER ? threads_from_cookie(info->si_value.sival_ptr) : NULL;
}

bool cpu_sent(const void *siginfo)
{
    return sender(siginfo) != NULL;
}

/* Credits what the calling thread, whose row it is, owes to the stack that was interrupted. A
 * thread that nobody announced may have no thread block, or its creator's. */
static void look(struct thread *t, const void *ucontext)
{
    int64_t length;
    int64_t periods = claim(t, sys_clock_ns(CLOCK_THREAD_CPUTIME_ID), &length);
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
    credit(stack_of_context(&regs, &bounds), labels, length, periods);
    if (ADD(&signals_seen, 1) % SIGNALS_PER_SCAN == 0) {
        find_threads(false);
    }
}

bool cpu_signal(const void *siginfo, const void *ucontext)
{
    const siginfo_t *info = siginfo;
    if (UNLIKELY(LOAD(&stopped))) {
        return sender(info) != NULL;
    }
    bool by_process = info->si_code == SI_KERNEL && cpu_itimer_is_on();
    struct thread *t = by_process ? threads_by_tid(sys_gettid()) : sender(info);
    if (!t) {
        return by_process;
    }
    /* Else: of a timer that is gone; its row has another owner. */
    if (LOAD(&t->tid) == sys_gettid() && LOAD(&t->state) == THREAD_TIMED) {
        look(t, ucontext);
    }
    return true;
}

/* ---- timers ---- */

void cpu_pause_thread(void)
{
    struct thread *t = self.thread;
    cpu_itimer_pause();
    if (t && LOAD(&t->state) == THREAD_TIMED) {
        cpu_timer_set(t, 0, 0); /* disarmed; what was pending comes as this call returns */
    }
}

void cpu_resume_thread(void)
{
    struct thread *t = self.thread;
    cpu_itimer_resume();
    if (t && LOAD(&t->state) == THREAD_TIMED) {
        cpu_timer_set(t, t->period, 0);
    }
}

static void interrupt_running(struct thread *t, void *cookie)
{
    int tid = LOAD_ACQUIRE(&t->tid);
    if (tid != 0 && tid != sys_gettid() && threads_is_running(tid)) {
        siginfo_t info = {.si_signo = signal_used, .si_code = SI_QUEUE};
        info.si_pid = sys_getpid();
        info.si_value.sival_ptr = cookie;
        sys_call4(SYS_rt_tgsigqueueinfo, info.si_pid, tid, signal_used, &info);
    }
}

void cpu_interrupt_others(const void *cookie)
{
    if (!is_off()) {
        threads_each(interrupt_running, (void *)(uintptr_t)cookie);
    }
}

static void disarm(struct thread *t, void *arg)
{
    (void)arg;
    cpu_timer_drop(t);
}

void cpu_stop(void)
{
    STORE(&stopped, true);
    cpu_itimer_give_up();
    threads_each(disarm, NULL);
}

/* Takes a row out of use; of those who try, one does it and is told so. */
static bool timer_retire(struct thread *t)
{
    bool dropped = cpu_timer_drop(t);
    if (dropped) {
        threads_give_back(t);
    }
    return dropped;
}

void cpu_thread_begin(struct thread *t)
{
    STORE_RELEASE(&t->tid, sys_gettid());
    if (is_off()) {
        return;
    }
    struct thread *twin = threads_twin_since(t);
    if (twin && twin->foreign) { /* found by a scan before it got here */
        timer_retire(twin);
    }
    cpu_timer_begin(t, 0); /* this thread's clock began with it */
}

/* Credits what a thread owes, above its start routine. */
static void credit_debt(struct thread *t, int64_t clock)
{
    int64_t length;
    int64_t owed = claim(t, clock, &length);
    if (owed > 0) {
        uintptr_t start = (uintptr_t)(t->start ? (void *)t->start : (void *)t->start_c11);
        uintptr_t pcs[2] = {PSEUDO_THREAD_END, start + 1};
        const struct labels *labels = t->foreign ? NULL : labels_of_thread(t);
        credit(stack_keep(pcs, start ? 2 : 1), t->foreign ? labels_of_process() : labels, length,
               owed);
        labels_unref(labels);
    }
}

void cpu_thread_end(struct thread *t)
{
    uint64_t mask = sys_block_signals(); /* see cpu_timer_begin */
    bool timed;
    /* Held to the end: who sets another rate would give a row that is about to go a timer. */
    while (!(timed = cpu_timer_hold(t, THREAD_TIMED)) && !cpu_timer_hold(t, THREAD_TAKEN)) {
        cpu_timer_settle(t);
    }
    if (timed) {
        sys_call1(SYS_timer_delete, t->timer);
        int64_t clock = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        credit_debt(t, clock);
        ADD(&covered_by_dead, clock - t->clock_base);
    }
    threads_give_back(t);
    sys_restore_signals(mask);
}

/* Rows of threads that ended without a word (a bare exit): what they were credited is what we know.
 */
static void retire_if_dead(struct thread *t, void *arg)
{
    (void)arg;
    int tid = LOAD_ACQUIRE(&t->tid);
    int64_t clock;
    if (tid != 0 && LOAD(&t->state) == THREAD_TIMED &&
        !sys_clock_read(sys_thread_cpu_clock(tid), &clock) && LOAD(&t->tid) == tid) {
        int64_t known = LOAD(&t->credited) * (int64_t)t->period;
        const struct labels *labels = LOAD(&t->labels);
        if (timer_retire(t)) {
            labels_unref(labels);
            ADD(&covered_by_dead, known);
        }
    }
}

void cpu_thread_found(int tid)
{
    if (is_off() || threads_by_tid(tid)) {
        return;
    }
    if (ADD(&found_count, 1) % FOUND_PER_SWEEP == FOUND_PER_SWEEP - 1) {
        threads_each(retire_if_dead, NULL);
    }
    struct thread *t = threads_take();
    if (!t) {
        return;
    }
    t->foreign = true;
    threads_scan_begins();
    STORE_RELEASE(&t->tid, tid);
    int64_t clock = sys_clock_ns(sys_thread_cpu_clock(tid));
    t->clock_base = clock;
    uint64_t mask = sys_block_signals(); /* see cpu_timer_begin */
    if (threads_twin(t) || !cpu_timer_hold(t, THREAD_TAKEN) || !cpu_timer_arm(t, clock)) {
        threads_give_back(t);
    } else if (threads_twin(t)) {
        timer_retire(t); /* its own row got there meanwhile */
    }
    sys_restore_signals(mask);
}

static void found(int tid, void *arg)
{
    (void)arg;
    cpu_thread_found(tid);
}

/* Threads that appeared without a word: those of raw clone, and timer_create's helpers. Numbers
 * that a scan could not bring to agree (a refused timer, a zombie) are no reason for the next one.
 */
static void find_threads(bool at_dump)
{
    static int unexplained;
    int missing = threads_alive() - threads_registered();
    if (missing == 0 || (missing == LOAD(&unexplained) && !at_dump)) {
        return;
    }
    threads_each(retire_if_dead, NULL);
    threads_of_process(found, NULL);
    STORE(&unexplained, threads_alive() - threads_registered());
}

/* ---- around dumps ---- */

struct survey {
    bool at_end;
    int64_t covered;
};

static void survey_thread(struct thread *t, void *arg)
{
    struct survey *s = arg;
    int tid = LOAD_ACQUIRE(&t->tid);
    int64_t clock;
    if (tid == 0 || LOAD(&t->state) != THREAD_TIMED ||
        !sys_clock_read(sys_thread_cpu_clock(tid), &clock)) {
        return;
    }
    /* The thread may have ended and its row be another's by now: then this clock is not its. */
    int64_t base = t->clock_base;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (LOAD(&t->tid) != tid || LOAD(&t->state) != THREAD_TIMED) {
        return;
    }
    if (s->at_end) {
        credit_debt(t, clock);
    }
    s->covered += clock - base;
}

void cpu_before_dump(bool at_end)
{
    if (is_off()) {
        return;
    }
    struct survey s = {at_end, 0};
    int64_t period = cpu_timer_period();
    int64_t process = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - process_base;
    find_threads(true);
    threads_each(survey_thread, &s);
    /* A thread's own life before its first and after its last instruction here is the kernel's;
     * up to a hundredth of the time, and ten periods, it is no loss worth a line. */
    int64_t uncovered = process - s.covered - LOAD(&covered_by_dead);
    int64_t lost = uncovered > process / 100 + 10 * period ? uncovered / period : 0;
    cpu_table_unsampled(period, lost);
}

size_t cpu_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    return cpu_table_snapshot(out, bytes);
}

/* ---- another rate ---- */

/* A row's timer at the rate in force, whatever it had. Expiries of the new one begin at a phase of
 * its own, as a new thread's do, so time before and after is told in the right proportion. */
static void change_timer(struct thread *t, void *arg)
{
    (void)arg;
    int tid = LOAD_ACQUIRE(&t->tid);
    int64_t clock;
    cpu_timer_settle(t);
    bool timed = cpu_timer_hold(t, THREAD_TIMED);
    if (tid == 0 || (!timed && !cpu_timer_hold(t, THREAD_TAKEN))) {
        if (timed) {
            STORE_RELEASE(&t->state, THREAD_TIMED);
        }
        return; /* it begins with the new rate by itself, or has ended */
    }
    bool alive = sys_clock_read(sys_thread_cpu_clock(tid), &clock);
    if (!alive && !timed && LOAD(&t->tid) == tid) { /* it ended without a word while all was off */
        labels_unref(t->labels);
        threads_give_back(t);
        return;
    }
    if (!alive || LOAD(&t->tid) != tid) { /* retire_if_dead() knows what it is owed */
        STORE_RELEASE(&t->state, timed ? THREAD_TIMED : THREAD_TAKEN);
        return;
    }
    if (timed) {
        sys_call1(SYS_timer_delete, t->timer);
        int64_t ended = clock < t->first ? 0 : 1 + (clock - t->first) / (int64_t)t->period;
        ADD(&t->changes, 1);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        STORE(&t->before, t->before + ended);
        STORE(&t->first, INT64_MAX);
        STORE_RELEASE(&t->changes, t->changes + 1);
    } else {
        t->clock_base = clock;
    }
    if (cpu_timer_period() != 0) {
        cpu_timer_arm(t, clock);
    } else {
        STORE_RELEASE(&t->state, THREAD_TAKEN);
    }
}

static void apply_rate(void)
{
    int64_t rate = rate_set ? rate_set : session ? SESSION_RATE : 0;
    int64_t wanted = rate ? NSEC_PER_SEC / rate : 0;
    if (wanted == cpu_timer_period() || LOAD(&stopped)) {
        return;
    }
    if (cpu_timer_period() == 0) {
        process_base = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        covered_by_dead = 0;
    }
    cpu_timer_set_period(wanted);
    cpu_itimer_change(wanted);
    threads_each(change_timer, NULL);
    if (wanted != 0) {
        find_threads(true);
    }
}

int64_t cpu_set_rate(int64_t rate)
{
    uint64_t mask = sys_block_signals();
    lock_take(&changing);
    int64_t before = rate_set;
    if (rate >= 0) {
        STORE(&rate_set, rate);
        period_set = rate ? NSEC_PER_SEC / rate : period_set;
        apply_rate();
    }
    lock_drop(&changing);
    sys_restore_signals(mask);
    return before;
}

bool cpu_session_begin(void)
{
    uint64_t mask = sys_block_signals();
    lock_take(&changing);
    bool free = !session;
    if (free) {
        cpu_table_session_begin();
        session = true;
        apply_rate();
    }
    lock_drop(&changing);
    sys_restore_signals(mask);
    return free;
}

int64_t cpu_session_period(void)
{
    return cpu_timer_period();
}

void cpu_session_end(void)
{
    uint64_t mask = sys_block_signals();
    lock_take(&changing);
    session = false;
    apply_rate();
    lock_drop(&changing);
    sys_restore_signals(mask);
}

/* ---- start and fork ---- */

/* What the process's clock says before the first timer: its periods, rounded up with the
 * probability of the fraction, which is to be right in the mean. */
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

int64_t cpu_period(void)
{
    return period_set;
}

int64_t cpu_since(void)
{
    return sys_clock_ns(CLOCK_MONOTONIC) - started;
}

/* The calling thread, whose clock may have run for long. */
static void enter_this_thread(void)
{
    struct thread *t = self.thread ? self.thread : threads_take();
    if (!t) {
        return;
    }
    self.thread = t;
    t->state = THREAD_TAKEN; /* in a forked child it has no timer yet, and a new clock */
    t->before = t->credited = 0;
    t->labels = self.labels;
    t->stack_lo = self.stack_lo;
    t->stack_hi = self.stack_hi;
    STORE_RELEASE(&t->tid, sys_gettid());
    cpu_timer_begin(t, sys_clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

void cpu_start(uint64_t rate, int signal, uint64_t seed)
{
    cpu_table_start();
    started = sys_clock_ns(CLOCK_MONOTONIC);
    seed_given = seed ? seed : (uint64_t)started;
    signal_used = signal;
    rate_set = (int64_t)rate;
    period_set = rate ? NSEC_PER_SEC / (int64_t)rate : 0;
    cpu_timer_start(signal, seed_given);
    cpu_timer_set_period(period_set);
    process_base = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    credit_start(process_base);
    enter_this_thread();
    if (rate != 0 &&
        !libc_is_single_threaded()) { /* a library's constructor was faster than ours */
        threads_of_process(found, NULL);
    }
}

void cpu_fork_child(uint64_t nth)
{
    threads_fork_child(self.thread);
    started = sys_clock_ns(CLOCK_MONOTONIC);
    covered_by_dead = 0;
    cpu_table_unsampled(period_set, 0);
    cpu_table_started(period_set, 0);
    if (LOAD(&stopped)) {
        return;
    }
    lock_drop(&changing);
    session = false; /* its parent's */
    cpu_itimer_fork_child();
    seed_given = sampler_seed(seed_given, nth);
    cpu_timer_start(signal_used, seed_given);
    cpu_timer_set_period(rate_set ? NSEC_PER_SEC / rate_set : 0);
    process_base = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    credit_start(process_base);
    enter_this_thread();
}
