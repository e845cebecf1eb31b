/* SPDX-License-Identifier: MIT
 *
 * See cpu_rate.h.
 */
#include "collectors/cpu/cpu_rate.h"

#include "collectors/base/lock_wait.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_table.h"
#include "collectors/cpu/cpu_threads.h"
#include "collectors/cpu/cpu_timer.h"
#include "collectors/cpu/cpu_unsampled.h"
#include "collectors/threads/labels.h"

enum { SESSION_RATE = 100 }; /* of a session while the profile is off */

static struct lock changing; /* guards what follows */
static bool kept;            /* PPROF_PROFILES names the profile; written at start only */
static int64_t rate_set;     /* of the profile that goes on from the start, 1/s; 0 = off */
static int64_t period_set;   /* its period, or the last one it had; 0 = it was never on */
static bool session;         /* there is one */

/* Gives a row a timer at the rate in force, or none. The expiries of the new timer are drawn as
 * those of a new thread's are, so that the mean is right before and after the change. */
static void change_timer(struct thread *t, void *arg)
{
    (void)arg;
    int tid = LOAD_ACQUIRE(&t->tid);
    int64_t clock;
    cpu_timer_settle(t);
    bool timed = cpu_timer_hold(t, THREAD_TIMED);
    if (tid == 0 || (!timed && !cpu_timer_hold(t, THREAD_TAKEN))) {
        if (timed) {
            cpu_timer_release(t, THREAD_TIMED);
        }
        return; /* the thread is beginning, and will take the new rate itself, or has ended */
    }
    bool alive = sys_clock_read(sys_thread_cpu_clock(tid), &clock);
    if (!alive && !timed && LOAD(&t->tid) == tid) { /* it ended unseen, while the rate was 0 */
        labels_unref(t->labels);
        threads_give_back(t);
        return;
    }
    if (!alive || LOAD(&t->tid) != tid) { /* retire_if_dead() will account for it */
        cpu_timer_release(t, timed ? THREAD_TIMED : THREAD_TAKEN);
        return;
    }
    if (timed) {
        cpu_timer_remove(t, clock);
    } else {
        t->clock_base = clock;
    }
    if (cpu_timer_period() != 0) {
        cpu_timer_arm(t, clock);
    } else {
        cpu_timer_release(t, THREAD_TAKEN);
    }
}

static void apply_rate(void)
{
    int64_t rate = rate_set ? rate_set : session ? SESSION_RATE : 0;
    int64_t wanted = rate ? NSEC_PER_SEC / rate : 0;
    if (wanted == cpu_timer_period() || cpu_timer_is_stopped()) {
        return;
    }
    if (cpu_timer_period() == 0) {
        cpu_unsampled_begin();
    }
    cpu_timer_set_period(wanted);
    threads_each(change_timer, NULL);
    if (wanted != 0) {
        cpu_threads_find(true);
    }
}

int64_t cpu_set_rate(int64_t rate)
{
    uint64_t mask = sys_block_signals();
    lock_take(&changing, LOCK_CPU_RATE);
    int64_t before = rate_set;
    if (rate >= 0 && kept) {
        rate_set = rate;
        cpu_table_profile_is(rate != 0);
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
    lock_take(&changing, LOCK_CPU_RATE);
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
    lock_take(&changing, LOCK_CPU_RATE);
    session = false;
    apply_rate();
    lock_drop(&changing);
    sys_restore_signals(mask);
}

int64_t cpu_period(void)
{
    return period_set;
}

/* ---- start and fork ---- */

static void begin(void)
{
    cpu_table_profile_is(rate_set != 0);
    cpu_timer_set_period(rate_set ? NSEC_PER_SEC / rate_set : 0);
}

void cpu_rate_start(int64_t rate, bool profile_is_kept)
{
    kept = profile_is_kept;
    rate_set = kept ? rate : 0;
    period_set = rate_set ? NSEC_PER_SEC / rate_set : 0;
    begin();
}

void cpu_rate_fork_child(void)
{
    lock_drop(&changing);
    session = false;
    begin();
}
