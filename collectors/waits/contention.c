/* SPDX-License-Identifier: MIT
 *
 * See contention.h: waits for a lock or for what has no holder, and the releases that end them.
 * Conditions are in contention_condition.c, what is counted is in contention_count.c. Locks: a
 * bucket's of waiters.h, never over a system call or the program's code.
 *
 * A thread notes its registration as a waiter in its own block (self.waiting), so that a wait which
 * ended by longjmp or asynchronous cancellation is taken out at the thread's next wait or its end.
 */
#include "collectors/waits/contention.h"

#include "collectors/stacks/stack_memo.h"
#include "collectors/waits/sleepers.h"
#include "collectors/waits/waiters.h"

static CONTENTION_LONG_WAY void wait_begins(struct contention_wait *w, const void *lock);
static CONTENTION_LONG_WAY void wait_ends(struct contention_wait *w, bool waited);
static CONTENTION_LONG_WAY void release_begins(struct contention_hold *h, const void *lock,
                                               uint32_t (*holders)(const void *lock));
static CONTENTION_LONG_WAY void release_ends(const struct contention_hold *h, const void *lock,
                                             bool released);

/* ---- at once, or not at all ---- */

WAIT_PATH void contention_wait_begins(struct contention_wait *w, const void *lock)
{
    if (LIKELY(contention_on && !self.waits_busy && !self.asleep && lock && ticks_are_counted() &&
               LOAD(&contention_mutex_rate) > 0)) {
        contention_busy();
        w->unheld = false;
        w->unasked = LOAD(&contention_block_rate) == 0;
        w->began = arch_counter();
        bool entered = !self.waiting && waiters_enter_at_once(lock, w->began);
        if (LIKELY(entered)) {
            self.waiting_since = w->began;
            w->lock = self.waiting = lock;
        }
        contention_idle();
        if (LIKELY(entered)) {
            return;
        }
    }
    wait_begins(w, lock);
}

WAIT_PATH void contention_wait_ends(struct contention_wait *w, bool waited)
{
    if (UNLIKELY(w->began == 0 || !w->lock || self.waits_busy || !waited ||
                 LOAD(&contention_stopped) || !ticks_are_counted())) {
        wait_ends(w, waited);
        return;
    }
    uint64_t now = arch_counter();
    contention_busy(); /* from here on, a handler's wait does not undo the registration */
    if (UNLIKELY(self.waiting != w->lock || self.waiting_since != w->began ||
                 !waiters_leave_at_once(w->lock, w->began))) {
        contention_idle();
        wait_ends(w, waited);
        return;
    }
    self.waiting = NULL;
    self.took = w->lock;
    self.took_at = now;
    contention_ends_at_once(w, false, now);
}

WAIT_PATH void contention_release_begins(struct contention_hold *h, const void *lock,
                                         uint32_t (*holders)(const void *lock))
{
    if (LIKELY(!self.waits_busy && !self.asleep && !holders && !LOAD(&contention_stopped) &&
               ticks_are_counted())) {
        contention_busy();
        h->others = false;
        h->waited = waiters_claim_at_once(lock);
        contention_idle();
        if (LIKELY(h->waited)) {
            return;
        }
    }
    release_begins(h, lock, holders);
}

WAIT_PATH void contention_release_ends(struct contention_hold *h, const void *lock, bool released)
{
    if (LIKELY(h->waited && !h->others && released && !self.waits_busy &&
               !LOAD(&contention_stopped) && ticks_are_counted())) {
        contention_busy();
        contention_ends_release(
            ticks_counted_ns(h->waited)); /* does not recalibrate: the waiter's end does */
    } else if (h->waited || h->others) {
        release_ends(h, lock, released);
    }
}

/* ---- the long way ---- */

static WAIT_PATH void unregister(const void *lock, uint64_t began)
{
    waiters_leave(lock, began);
    self.waiting = NULL;
}

static void wait_begins(struct contention_wait *w, const void *lock)
{
    w->lock = NULL;
    w->unheld = false;
    if (!contention_begins(w)) {
        return;
    }
    if (UNLIKELY(self.asleep)) {
        contention_condition_left();
    }
    if (!lock) {
        return;
    }
    if (UNLIKELY(LOAD(&contention_mutex_rate) == 0)) {
        waiters_note(lock);
        return;
    }
    contention_busy();
    if (UNLIKELY(self.waiting)) { /* the wait was jumped out of */
        unregister(self.waiting, self.waiting_since);
    }
    if (LIKELY(waiters_enter(lock, w->began))) {
        w->lock = self.waiting = lock;
        self.waiting_since = w->began;
    } else {
        w->unheld = true;
    }
    contention_idle();
}

static void wait_ends(struct contention_wait *w, bool waited)
{
    if (UNLIKELY(w->began == 0 || self.waits_busy || LOAD(&contention_stopped))) {
        return;
    }
    uint64_t now = ticks_now();
    contention_busy();
    self.took = w->lock;
    self.took_at = now;
    if (w->lock && LIKELY(self.waiting == w->lock && self.waiting_since == w->began)) {
        unregister(w->lock, w->began); /* else: a handler's wait, or a fork, has undone it */
    }
    if (LIKELY(waited)) {
        uint64_t ns = contention_counts(w, false, now);
        if (UNLIKELY(w->unheld)) {
            contention_count_unheld(ns);
        }
    }
    contention_idle();
}

void contention_waits_over(uint64_t ticks, uint32_t n)
{
    if (contention_on && !self.waits_busy && !LOAD(&contention_stopped)) {
        contention_busy();
        contention_count_waits(ticks_to_ns(ticks, ticks_now()) / n, n);
        contention_idle();
    }
}

static void release_begins(struct contention_hold *h, const void *lock,
                           uint32_t (*holders)(const void *lock))
{
    h->waited = 0;
    h->others = false;
    if (LIKELY(!self.waits_busy && !LOAD(&contention_stopped))) {
        contention_busy();
        if (UNLIKELY(self.asleep)) { /* it was cancelled or jumped out of its wait */
            contention_wake_up();
        }
        h->waited = waiters_claim(lock, holders, lock == self.took ? self.took_at : 0, &h->others);
        contention_idle();
    }
}

static void release_ends(const struct contention_hold *h, const void *lock, bool released)
{
    if (UNLIKELY(self.waits_busy || LOAD(&contention_stopped))) {
        return;
    }
    contention_busy();
    if (UNLIKELY(h->others)) {
        waiters_released(lock);
    }
    if (LIKELY(h->waited && released)) {
        contention_count_release(
            ticks_known_ns(h->waited)); /* does not recalibrate: the waiter's end does */
    }
    contention_idle();
}

/* ---- threads and processes that end, and begin ---- */

void contention_thread_end(void)
{
    if (!self.waits_busy && !LOAD(&contention_stopped)) {
        contention_busy();
        if (self.waiting) {
            unregister(self.waiting, self.waiting_since);
        }
        contention_wake_up();
        contention_idle();
    }
    stack_memo_drop(&self.last_block.stack); /* also if a handler jumped out of a wait */
    stack_memo_drop(&self.last_mutex.stack);
}

static void fork_child(uint64_t nth)
{
    contention_count_fork_child(nth);
    self.waiting = NULL;
    contention_idle();
    ticks_fork_child();
    stack_memo_fork_child();
    self.asleep = NULL;
    waiters_fork_child();
    sleepers_fork_child();
}

const struct collector contention_collector = {contention_count_start, contention_count_stop,
                                               fork_child};
