/* SPDX-License-Identifier: MIT
 *
 * See contention_condition.h. Of each step the usual case comes first, at once or not at all
 * (contention_count.h). Lock: a bucket's of waiters.h, and where the pair of condition and mutex is
 * new or moves, a list's of sleepers.h.
 */
#include "collectors/waits/contention_condition.h"

#include "collectors/waits/sleepers.h"

static CONTENTION_LONG_WAY void condition_begins(struct contention_wait *w, const void *cond,
                                                 const void *lock, uint64_t begun);
static CONTENTION_LONG_WAY void condition_ends(struct contention_wait *w, bool waited,
                                               bool by_time);
static CONTENTION_LONG_WAY void wakes(const void *cond, uint32_t inside, uint64_t begun,
                                      uint32_t most);

WAIT_PATH void contention_condition_begins(struct contention_wait *w, const void *cond,
                                           const void *lock, uint64_t begun)
{
    if (LIKELY(contention_on && !self.waits_busy && ticks_are_counted() &&
               LOAD(&contention_mutex_rate) > 0)) {
        contention_busy();
        w->unasked = LOAD(&contention_block_rate) == 0;
        w->began = arch_counter();
        struct sleepers_entry *e = NULL;
        if (LIKELY(!self.asleep)) {
            e = self.asleep = sleepers_enter_at_once(cond, lock, begun);
        }
        w->asleep = e;
        contention_idle();
        if (LIKELY(e)) {
            return;
        }
    }
    condition_begins(w, cond, lock, begun);
}

WAIT_PATH void contention_condition_ends(struct contention_wait *w, bool waited, bool by_time)
{
    if (UNLIKELY(w->began == 0 || self.waits_busy || !waited || by_time ||
                 LOAD(&contention_stopped) || !ticks_are_counted())) {
        condition_ends(w, waited, by_time);
        return;
    }
    uint64_t now = arch_counter();
    contention_busy(); /* from here on, a handler's wait does not undo the registration */
    struct sleepers_entry *e = w->asleep;
    const void *wanted = LIKELY(e && self.asleep == e) ? sleepers_leave_at_once(e) : NULL;
    if (UNLIKELY(!wanted)) {
        contention_idle();
        condition_ends(w, waited, by_time);
        return;
    }
    self.asleep = NULL;
    self.took = wanted;
    self.took_at = now;
    contention_ends_at_once(w, true, now);
}

WAIT_PATH void contention_wakes(const void *cond, uint32_t inside, uint64_t begun, uint32_t most)
{
    if (LIKELY(LOAD(&contention_mutex_rate) > 0 && !self.waits_busy && ticks_are_counted())) {
        contention_busy();
        bool woken = sleepers_wake_at_once(cond, inside, begun, most, arch_counter());
        contention_idle();
        if (LIKELY(woken)) {
            return;
        }
    }
    wakes(cond, inside, begun, most);
}

/* ---- the long way ---- */

static void condition_begins(struct contention_wait *w, const void *cond, const void *lock,
                             uint64_t begun)
{
    if (!contention_begins(w)) {
        return;
    }
    if (UNLIKELY(self.asleep)) {
        contention_condition_left();
    }
    w->asleep = NULL;
    if (LOAD(&contention_mutex_rate) == 0 && !contention_mutex_wanted()) {
        return; /* else: the rate is 0 now, but may be another when the thread wakes */
    }
    contention_busy();
    w->asleep = self.asleep = sleepers_enter(cond, lock, begun);
    contention_idle();
}

static void condition_ends(struct contention_wait *w, bool waited, bool by_time)
{
    if (w->began == 0 || self.waits_busy || LOAD(&contention_stopped)) {
        return;
    }
    uint64_t now = ticks_now();
    struct sleepers_entry *e = w->asleep;
    contention_busy();
    self.took = NULL;
    if (e && self.asleep == e) { /* else: a handler's wait, or a fork, has undone it */
        self.asleep = NULL;
        self.took = LOAD(&e->mutex);
        sleepers_leave(e, by_time || !waited); /* after an error the thread was not woken */
    }
    self.took_at = now;
    if (waited) {
        contention_counts(w, true, now);
    }
    contention_idle();
}

static void wakes(const void *cond, uint32_t inside, uint64_t begun, uint32_t most)
{
    if (LOAD(&contention_mutex_rate) > 0 && !self.waits_busy) {
        contention_busy();
        sleepers_wake(cond, inside, begun, most, ticks_now());
        contention_idle();
    }
}

/* ---- threads that never came back from their wait ---- */

void contention_wake_up(void)
{
    struct sleepers_entry *e = self.asleep;
    self.asleep = NULL;
    if (e) {
        sleepers_leave(e, true);
    }
}

void contention_condition_left(void)
{
    contention_busy();
    contention_wake_up();
    contention_idle();
}
