/* SPDX-License-Identifier: MIT
 *
 * See cpu_timer.h. The handler of a timer's signal reads several fields of its row (period, first,
 * before) without holding it. They belong together if `changes` is even and the same before and
 * after: a sequence lock, whose writer is the holder of the row.
 */
#include "collectors/cpu/cpu_timer.h"

#include "collectors/base/lock.h"
#include "collectors/base/newborn.h"
#include "collectors/tables/sampler.h"

#include <signal.h>

static int64_t period; /* ns, of new timers; 0 = off */
static bool stopped;   /* for good */
static bool left;      /* the kernel keeps the timers that there are */
static int signal_used;
static uint64_t random_state; /* shared: drawn by fetch-and-add, mixed by sampler_seed */
static uint64_t random_seed;

void cpu_timer_start(int signal, uint64_t seed)
{
    signal_used = signal;
    random_seed = seed;
    random_state = 0;
}

void cpu_timer_set_period(int64_t ns)
{
    STORE(&period, ns);
}

int64_t cpu_timer_period(void)
{
    return LOAD(&period);
}

void cpu_timer_stop(void)
{
    STORE(&stopped, true);
}

void cpu_timer_leave(void)
{
    STORE(&left, true);
}

bool cpu_timer_is_stopped(void)
{
    return LOAD(&stopped);
}

bool cpu_timer_is_off(void)
{
    return LOAD(&period) == 0 || LOAD(&stopped);
}

static int64_t phase_of(int64_t length)
{
    return (int64_t)(sampler_seed(random_seed, ADD(&random_state, 1)) % (uint64_t)length);
}

int64_t cpu_timer_phase(void)
{
    int64_t length = LOAD(&period);
    return length ? phase_of(length) : 0;
}

bool cpu_timer_hold(struct thread *t, uint32_t state)
{
    newborn_look(); /* its timer is not this process's; the id may be that of one of the program's
                     */
    bool held = CAS(&t->state, &state, THREAD_CHANGING);
    if (held) {
        lock_check_taken(&t->state, LOCK_THREAD_ROW);
    }
    return held;
}

void cpu_timer_release(struct thread *t, uint32_t state)
{
    lock_check_dropped(&t->state);
    STORE_RELEASE(&t->state, state);
}

void cpu_timer_settle(const struct thread *t)
{
    lock_check_wait(LOCK_THREAD_ROW);
    while (LOAD_ACQUIRE(&t->state) == THREAD_CHANGING) {
        newborn_look();
        sys_call0(SYS_sched_yield);
    }
}

/* ---- when it expires ---- */

int64_t cpu_timer_expiry(const struct cpu_timer_expiries *e, int64_t nth)
{
    uint64_t drawn = sampler_seed(e->draws, (uint64_t)nth) % (uint64_t)e->period;
    return e->origin + nth * e->period + 1 + (int64_t)drawn;
}

int64_t cpu_timer_expired(const struct cpu_timer_expiries *e, int64_t clock)
{
    if (clock <= e->origin) {
        return 0;
    }
    int64_t whole = (clock - e->origin) / e->period; /* periods that have ended */
    return whole + (clock >= cpu_timer_expiry(e, whole));
}

struct cpu_timer_expiries cpu_timer_expiries(const struct thread *t)
{
    return (struct cpu_timer_expiries){
        .origin = t->origin, .period = (int64_t)t->period, .draws = t->draws};
}

/* Between two expiries lie less than two periods. So where a signal's handler could not set the
 * next expiry, the kernel's own repetition brings another signal. */
static void set_expiry(const struct thread *t, int64_t at)
{
    int64_t again = 2 * (int64_t)t->period;
    struct itimerspec when = {{again / NSEC_PER_SEC, again % NSEC_PER_SEC},
                              {at / NSEC_PER_SEC, at % NSEC_PER_SEC}};
    sys_call4(SYS_timer_settime, t->timer, TIMER_ABSTIME, &when, NULL);
}

void cpu_timer_next(struct thread *t, int64_t clock)
{
    if (cpu_timer_hold(t, THREAD_TIMED)) {
        struct cpu_timer_expiries e = cpu_timer_expiries(t);
        set_expiry(t, cpu_timer_expiry(&e, cpu_timer_expired(&e, clock)));
        cpu_timer_release(t, THREAD_TIMED);
    }
}

/* ---- made and dropped ---- */

/* Claims the periods that have ended by the row's previous timers and are not credited yet (the
 * kernel sends signals at its ticks only). In ns, because the next timer may have another period.
 */
static int64_t take_due(struct thread *t)
{
    int64_t due = LOAD(&t->before);
    int64_t seen = LOAD(&t->credited);
    while (due > seen) {
        if (CAS(&t->credited, &seen, due)) {
            return (due - seen) * (int64_t)t->period;
        }
    }
    return 0;
}

bool cpu_timer_arm(struct thread *t, int64_t from)
{
    int64_t length = LOAD(&period);
    struct sigevent event = {0};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal_used;
    event.sigev_value.sival_ptr = t;
    event._sigev_un._tid = t->tid;
    int timer;
    clockid_t clock = sys_thread_cpu_clock(t->tid);
    if (length == 0 ||
        LOAD(&t->aside)) { /* another thread has switched the profile off meanwhile */
        cpu_timer_release(t, THREAD_TAKEN);
        return false;
    }
    if (sys_call3(SYS_timer_create, clock, &event, &timer) != 0) { /* RLIMIT_SIGPENDING, say */
        cpu_timer_release(t, THREAD_TAKEN);
        return false;
    }
    from -= take_due(t);
    ADD(&t->changes, 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    t->timer = timer;
    STORE(&t->period, (uint32_t)length);
    STORE(&t->origin, from);
    STORE(&t->draws, (uint32_t)sampler_seed(random_seed, ADD(&random_state, 1)));
    STORE_RELEASE(&t->changes, t->changes + 1);
    struct cpu_timer_expiries e = cpu_timer_expiries(t);
    set_expiry(t, cpu_timer_expiry(&e, 0));
    cpu_timer_release(t, THREAD_TIMED);
    return true;
}

void cpu_timer_begin(struct thread *t, int64_t from)
{
    /* A handler on this thread that sets another rate would wait for the row that is held. */
    uint64_t mask = sys_block_signals();
    bool held = false;
    while (!held && LOAD(&period) != 0 && LOAD(&t->state) != THREAD_TIMED) {
        cpu_timer_settle(t);
        held = cpu_timer_hold(t, THREAD_TAKEN);
        if (held) {
            t->clock_base = from;
            cpu_timer_arm(t, from);
        }
    }
    sys_restore_signals(mask);
}

void cpu_timer_remove(struct thread *t, int64_t clock)
{
    sys_call1(SYS_timer_delete, t->timer);
    struct cpu_timer_expiries e = cpu_timer_expiries(t);
    int64_t ended = cpu_timer_expired(&e, clock);
    ADD(&t->changes, 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    STORE(&t->before, t->before + ended);
    STORE(&t->origin, INT64_MAX);
    STORE_RELEASE(&t->changes, t->changes + 1);
}

bool cpu_timer_drop(struct thread *t)
{
    uint32_t seen = THREAD_TIMED;
    newborn_look(); /* as in cpu_timer_hold() */
    if (!CAS(&t->state, &seen, THREAD_TAKEN)) {
        return false;
    }
    if (!LOAD(&left)) {
        sys_call1(SYS_timer_delete, t->timer);
    }
    return true;
}
