/* SPDX-License-Identifier: MIT
 *
 * See cpu_unsampled.h.
 */
#include "collectors/cpu/cpu_unsampled.h"

#include "collectors/base/sys.h"
#include "collectors/cpu/cpu_credit.h"
#include "collectors/cpu/cpu_table.h"
#include "collectors/cpu/cpu_timer.h"

static int64_t process_base;    /* the process's CPU clock when sampling began */
static int64_t covered_by_dead; /* CPU ns of timed threads that have ended */

int64_t cpu_unsampled_begin(void)
{
    process_base = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    covered_by_dead = 0;
    return process_base;
}

void cpu_unsampled_ended(int64_t covered)
{
    ADD(&covered_by_dead, covered);
}

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
    /* The thread may have ended, and its row been taken for another one, since tid was read: then
     * the clock is not that of the row's thread. */
    int64_t base = t->clock_base;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (LOAD(&t->tid) != tid || LOAD(&t->state) != THREAD_TIMED) {
        return;
    }
    if (s->at_end) {
        cpu_credit_debt(t, clock);
    }
    s->covered += clock - base;
}

void cpu_unsampled_survey(bool at_end)
{
    struct survey s = {at_end, 0};
    int64_t period = cpu_timer_period();
    int64_t process = sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - process_base;
    threads_each(survey_thread, &s);
    /* The kernel's own work for a thread before its first and after its last instruction is never
     * covered: up to a hundredth of the time and ten periods are not shown. */
    int64_t uncovered = process - s.covered - LOAD(&covered_by_dead);
    int64_t lost = uncovered > process / 100 + 10 * period ? uncovered / period : 0;
    cpu_table_unsampled(period, lost);
}
