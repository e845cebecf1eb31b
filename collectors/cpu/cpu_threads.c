/* SPDX-License-Identifier: MIT
 *
 * See cpu_threads.h.
 */
#include "collectors/cpu/cpu_threads.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_credit.h"
#include "collectors/cpu/cpu_timer.h"
#include "collectors/cpu/cpu_unsampled.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/procfs.h"

#include <signal.h>

enum { FOUND_PER_SWEEP = 64 };

static uint32_t found_count;

/* Takes a row out of use. Of several threads that try, one succeeds, and gets true. */
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
    if (cpu_timer_is_off()) {
        return;
    }
    struct thread *twin = threads_twin_since(t);
    if (twin && twin->foreign) { /* a scan found this thread before it got here */
        timer_retire(twin);
    }
    cpu_timer_begin(t, 0); /* the clock was 0 when the thread began */
}

void cpu_thread_end(struct thread *t)
{
    uint64_t mask = sys_block_signals(); /* see cpu_timer_begin */
    bool timed;
    /* Held to the end: else a thread that sets another rate could give this row a new timer. */
    while (!(timed = cpu_timer_hold(t, THREAD_TIMED)) && !cpu_timer_hold(t, THREAD_TAKEN)) {
        cpu_timer_settle(t);
    }
    if (timed) {
        sys_call1(SYS_timer_delete, t->timer);
        int64_t clock = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        cpu_credit_debt(t, clock);
        cpu_unsampled_ended(clock - t->clock_base);
    }
    threads_give_back(t);
    sys_restore_signals(mask);
}

void cpu_thread_enter(void)
{
    struct thread *t = self.thread ? self.thread : threads_take();
    if (!t) {
        return;
    }
    self.thread = t;
    t->state = THREAD_TAKEN; /* in a forked child it has no timer yet, and a new clock */
    t->before = t->credited = 0;
    t->aside = false;
    t->labels = self.labels;
    t->stack_lo = self.stack_lo;
    t->stack_hi = self.stack_hi;
    t->sleep = &self.sleep;
    STORE_RELEASE(&t->tid, sys_gettid());
    cpu_timer_begin(t, sys_clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

static struct thread *own_row(void)
{
    return self.thread ? self.thread : threads_by_tid(sys_gettid());
}

void cpu_thread_aside(void)
{
    struct thread *t = own_row();
    if (!t) {
        return;
    }
    uint64_t mask = sys_block_signals(); /* see cpu_timer_begin */
    bool timed;
    while (!(timed = cpu_timer_hold(t, THREAD_TIMED)) && !cpu_timer_hold(t, THREAD_TAKEN)) {
        cpu_timer_settle(t);
    }
    if (timed) {
        int64_t clock = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        cpu_timer_remove(t, clock);
        cpu_unsampled_ended(clock - t->clock_base);
    }
    STORE(&t->aside, true);
    cpu_timer_release(t, THREAD_TAKEN);
    sys_restore_signals(mask); /* a signal that the timer had sent comes here */
}

void cpu_thread_back(void)
{
    struct thread *t = own_row();
    if (t && LOAD(&t->aside)) {
        STORE(&t->aside, false);
        if (!cpu_timer_is_off()) {
            cpu_timer_begin(t, sys_clock_ns(CLOCK_THREAD_CPUTIME_ID));
        }
    }
}

/* ---- threads that no hook saw begin ---- */

/* For threads that ended without cpu_thread_end() (a bare exit system call). Their clock is gone:
 * what they were credited with is taken for what their timer covered. */
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
            cpu_unsampled_ended(known);
        }
    }
}

static bool starting; /* the last scan has seen a thread that was starting */

/* Is it in a wait for that signal? The kernel lets the signal through meanwhile. */
static bool is_in_wait(int tid)
{
    struct procfs_call call;
    uint64_t set;
    return procfs_call(0, tid, &call) == 1 && call.number == SYS_rt_sigtimedwait &&
           sys_read_memory(&set, call.arg[0], sizeof set) == 0 &&
           (set >> (LIBC_SIGNAL_CANCEL - 1) & 1);
}

/* A thread of libc's own that waits for the very signal of our timers, as those do that serve
 * timers of the program's (SIGEV_THREAD): it might take one of ours for its own. Any thread of
 * libc's that is just starting blocks all signals; what it is, the next scan shows. */
static bool waits_for_our_signal(int tid)
{
    enum { STARTED = 10000000 }; /* ns of CPU time: it blocks them for other reasons */
    enum { LOOKS = 6 };          /* at one that goes in and out of such waits */
    bool blocks = false;
    for (int i = 0; i < LOOKS && !blocks; i++) {
        if (is_in_wait(tid)) {
            return true;
        }
        blocks = procfs_blocks(0, tid, LIBC_SIGNAL_CANCEL);
        if (!blocks && !procfs_blocks(0, tid, SIGTERM)) { /* libc's block all others */
            return false;
        }
    }
    if (!blocks) {
        return false;
    }
    if (!procfs_blocks(0, tid, LIBC_SIGNAL_SETXID)) {
        return true;
    }
    bool starts = sys_clock_ns(sys_thread_cpu_clock(tid)) < STARTED;
    if (starts) {
        STORE(&starting, true);
    }
    return starts;
}

void cpu_thread_found(int tid)
{
    if (cpu_timer_is_off() || threads_by_tid(tid) || waits_for_our_signal(tid)) {
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
        timer_retire(t); /* the thread has begun meanwhile, with a row of its own */
    }
    sys_restore_signals(mask);
}

static void found(int tid, void *arg)
{
    (void)arg;
    cpu_thread_found(tid);
}

void cpu_threads_find_all(void)
{
    threads_of_process(found, NULL);
}

void cpu_threads_find(bool at_dump)
{
    static int unexplained;
    int missing = threads_alive() - threads_registered();
    if (missing == 0 || (missing == LOAD(&unexplained) && !at_dump)) {
        return;
    }
    threads_each(retire_if_dead, NULL);
    STORE(&starting, false);
    threads_of_process(found, NULL);
    STORE(&unexplained, LOAD(&starting) ? 0 : threads_alive() - threads_registered());
}
