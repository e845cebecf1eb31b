/* SPDX-License-Identifier: MIT
 *
 * What the files of contention.h share: the rates, and how a wait or a release is counted. Private
 * to collectors/contention*.c.
 */
#ifndef COLLECTORS_CONTENTION_COUNT_H
#define COLLECTORS_CONTENTION_COUNT_H

#include "collectors/base/self.h"
#include "collectors/base/ticks.h"
#include "collectors/collector.h"
#include "collectors/snapshot.h"
#include "collectors/tables/sampler.h"

/* Keeps block and mutex: one wait is timed once for both. */
enum { CONTENTION_BLOCK = 1, CONTENTION_MUTEX = 2 };

/* Is anything of this wanted? False before the start, and while both rates are 0. */
extern HIDDEN bool contention_on;

/* Changes PPROF_BLOCK_RATE (ns, 1 = all, 0 = off) or PPROF_MUTEX_FRACTION (1 = all, 0 = off) from
 * now on; a negative value only reads, and so does any where the profile is not kept. The previous
 * value. Any thread. */
int64_t contention_set_block_rate(int64_t rate);
int64_t contention_set_mutex_fraction(int64_t n);

/* The code of an allocator of the program's own, [lo, hi): waits for locks in it count under the
 * allocator's name. hi = 0: there is none. Constructor only. */
void contention_allocator_at(uintptr_t lo, uintptr_t hi);

/* A wait inside the allocator, which stands for `weight` of its kind, found by sampling: it counts
 * under the allocator's name in both profiles. Between arch_float_enter() and _leave(). */
COLD void contention_in_allocator(uint64_t ns, double weight);

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t contention_block_snapshot(struct snapshot_sample **out, size_t *bytes);
size_t contention_mutex_snapshot(struct snapshot_sample **out, size_t *bytes);

/* ---- a wait under way ---- */

struct sleepers_entry;
struct contention_wait {
    uint64_t began; /* ticks; 0 = not timed, and nothing of the rest is set */
    union {
        const void *lock;              /* that it is registered for, or NULL */
        struct sleepers_entry *asleep; /* or where as asleep on a condition, or NULL */
    };
    bool unasked; /* block was off when it began */
    bool unheld;  /* it could not be registered: whoever it waits for is not charged */
};

/* The kernel may be out of bounds: not even the time is asked for. */
extern HIDDEN bool contention_stopped;
/* In force: 0 where the profile is not wanted. */
extern HIDDEN int64_t contention_mutex_rate, contention_block_rate;
/* Is mutex wanted, be its rate 0 now or not? */
bool contention_mutex_wanted(void);

/* Between these, what a handler does that interrupts us is not seen: nothing that it would change
 * is looked at before, nor changed after. */
static inline void contention_busy(void)
{
    self.waits_busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
static inline void contention_idle(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self.waits_busy = false;
}

/* A draw: true in `part` of `whole` cases, whole > 0. The first only where the thread has been
 * seeded: self.wait_random is not 0. */
static inline bool contention_drawn_again(uint64_t part, uint64_t whole)
{
    uint64_t drawn = sampler_random(&self.wait_random); /* as a fraction of one, times whole: */
    return (uint64_t)((unsigned __int128)drawn * whole >> 64) < part;
}
COLD void contention_seed_thread(void);
static inline bool contention_drawn(uint64_t part, uint64_t whole)
{
    if (UNLIKELY(!self.wait_random)) {
        contention_seed_thread();
    }
    return contention_drawn_again(part, whole);
}

/* The following, while busy. A wait of ns that is kept at this rate, > 0, is counted; condition: it
 * was for one. */
void contention_count_kept(uint64_t ns, uint64_t rate, bool condition);
/* A wait is: kept for certain from the rate on, below it as often as it is long. */
static inline void contention_count_wait(uint64_t ns, bool condition)
{
    uint64_t rate = (uint64_t)LOAD(&contention_block_rate);
    ns += ns == 0;
    if (rate > 0 && (ns >= rate || contention_drawn(ns, rate))) {
        contention_count_kept(ns, rate, condition);
    }
}
/* A release that others have waited for. */
void contention_count_release(uint64_t ns);
/* A wait of which no holder could be charged. */
COLD void contention_count_unheld(uint64_t ns);

/* The collector's: see contention.c. */
void contention_count_start(const struct collector_settings *s, uint32_t parts);
void contention_count_stop(void);
void contention_count_fork_child(uint64_t nth);

/* A wait begins, before it is busy. False: this one is not to be seen. */
static inline __attribute__((always_inline)) bool contention_begins(struct contention_wait *w)
{
    w->began = 0;
    if (UNLIKELY(!contention_on || self.waits_busy)) {
        return false;
    }
    w->unasked = LOAD(&contention_block_rate) == 0; /* as in Go, turned on meanwhile is too late */
    w->began = ticks_now();
    return true;
}

/* It is over at now: for how many ns, and it is counted. */
static inline __attribute__((always_inline)) uint64_t
contention_counts(const struct contention_wait *w, bool condition, uint64_t now)
{
    uint64_t ns = LIKELY(now > w->began) ? ticks_to_ns(now - w->began, now) : 0;
    if (UNLIKELY(self.depth > 0)) {
        self.alloc_began = 0; /* it is in a call of the allocator, and this is the call's wait */
    }
    if (LIKELY(!w->unasked)) {
        contention_count_wait(ns, condition);
    }
    return ns;
}

/* ---- at once ----
 *
 * A thread that has slept finds little code near, and a function that may call another has
 * registers to save first. So of what happens at a wait and at a release the usual case is a
 * function without a call (contention.c, contention_condition.c), and ends in another where the
 * case is not the usual one: one that is general, and finds no trace of what was begun, or does
 * what is left to do. */
#define CONTENTION_LONG_WAY WAIT_PATH __attribute__((noinline))

/* These are the last that their callers do: they leave it idle. */
CONTENTION_LONG_WAY void contention_ends_kept(uint64_t ns, uint64_t rate, bool condition);
CONTENTION_LONG_WAY void contention_ends_counting(const struct contention_wait *w, bool condition,
                                                  uint64_t now);

CONTENTION_LONG_WAY void contention_ends_release(uint64_t ns);

/* As contention_counts(), where ticks_are_counted(); likewise the last. */
static inline __attribute__((always_inline)) void
contention_ends_at_once(const struct contention_wait *w, bool condition, uint64_t now)
{
    uint64_t rate = (uint64_t)LOAD(&contention_block_rate);
    if (UNLIKELY(ticks_are_due(now) || now <= w->began || self.depth > 0 || w->unasked ||
                 rate == 0)) {
        contention_ends_counting(w, condition, now);
        return;
    }
    uint64_t ns = ticks_counted_ns(now - w->began);
    if (UNLIKELY(ns == 0 || (ns < rate && !self.wait_random))) {
        contention_ends_counting(w, condition, now);
    } else if (ns >= rate || contention_drawn_again(ns, rate)) {
        contention_ends_kept(ns, rate, condition);
    } else {
        contention_idle();
    }
}

#endif
