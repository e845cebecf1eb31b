/* SPDX-License-Identifier: MIT
 *
 * What the profiles block and mutex count, and how: the rates in force, which waits and releases
 * are sampled, and the steps that waits for locks and waits for conditions have in common. Called
 * by contention.c and contention_condition.c, and by allocator.c. What is said to be called while
 * busy is called between contention_busy() and contention_idle(). No locks.
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

/* Is any wait to be timed? False before the start, and while both rates are 0. */
extern HIDDEN bool contention_on;

/* Change the block rate (ns blocked for each sample; 1 = all waits, 0 = off) or the mutex fraction
 * (one in n contended releases; 1 = all, 0 = off) from now on, and return the previous value. A
 * negative value only reads, and so does any value where the profile is not kept. Any thread. */
int64_t contention_set_block_rate(int64_t rate);
int64_t contention_set_mutex_fraction(int64_t n);

/* The code of an allocator of the program's own, [lo, hi): waits for locks in it count under the
 * allocator's name. hi = 0: there is none. Constructor only. */
void contention_allocator_at(uintptr_t lo, uintptr_t hi);

/* A wait inside the allocator, which stands for `weight` of its kind, found by sampling: it counts
 * under the allocator's name in both profiles. Between arch_float_enter() and _leave(). */
COLD void contention_in_allocator(uint64_t ns, double weight);

/* From now on the stacks of waits and releases that this thread ends have one frame more, the given
 * function: what the program's compiler has called there, and its source does not name. NULL: no
 * such frame. */
void contention_leaf(const void *function);

/* Samples of all buckets into *out (sys_map'ed, *bytes long); how many. Runs in the scribe. */
size_t contention_block_snapshot(struct snapshot_sample **out, size_t *bytes);
size_t contention_mutex_snapshot(struct snapshot_sample **out, size_t *bytes);

/* ---- a wait under way ---- */

struct sleepers_entry;
/* On the stack of the hook whose real function waits. */
struct contention_wait {
    uint64_t began; /* ticks; 0 = not timed, and no other field is set */
    union {
        const void *lock;              /* the lock that the thread is registered for, or NULL */
        struct sleepers_entry *asleep; /* of a condition: the entry it is registered in, or NULL */
    };
    bool unasked; /* the block rate was 0 when the wait began: block does not count the wait */
    bool unheld;  /* the thread could not be registered, so no holder is charged for the wait */
};

/* The library stands down: the program may have forbidden itself any system call, also the one that
 * reads the clock. */
extern HIDDEN bool contention_stopped;
/* The rates in force: 0 where the profile is not kept. */
extern HIDDEN int64_t contention_mutex_rate, contention_block_rate;
/* Is mutex kept? Its rate may be 0 for now. */
bool contention_mutex_wanted(void);
/* Is either profile kept? */
bool contention_wanted(void);

/* A signal handler of the program that interrupts its own thread between these two finds waits_busy
 * set, and its waits and releases change nothing here. The fences keep the compiler from moving
 * accesses to the thread's registration out of the pair. */
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

/* A draw: true with probability part/whole, whole > 0. contention_drawn_again() only where the
 * thread's generator has been seeded: self.wait_random is not 0. */
static inline bool contention_drawn_again(uint64_t part, uint64_t whole)
{
    uint64_t drawn = sampler_random(&self.wait_random); /* 0.64 fixed point; times whole: */
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

/* While busy: counts a wait of ns > 0 that is sampled at this rate > 0. condition: it was a wait
 * for a condition. */
void contention_count_kept(uint64_t ns, uint64_t rate, bool condition);
/* While busy: a wait of at least `rate` ns is sampled, a shorter one with probability ns/rate. */
static inline void contention_count_wait(uint64_t ns, bool condition)
{
    uint64_t rate = (uint64_t)LOAD(&contention_block_rate);
    ns += ns == 0;
    if (rate > 0 && (ns >= rate || contention_drawn(ns, rate))) {
        contention_count_kept(ns, rate, condition);
    }
}
/* While busy: n > 0 waits of ns each, whose stack is the caller's; sampled as one. */
void contention_count_waits(uint64_t ns, uint32_t n);
/* While busy: a release that other threads have waited for, ns in all. */
void contention_count_release(uint64_t ns);
/* While busy: a wait of which no holder could be charged; mutex shows it as lost. */
COLD void contention_count_unheld(uint64_t ns);

/* The half of contention_collector that is about counting. */
void contention_count_start(const struct collector_settings *s, uint32_t parts);
void contention_count_stop(void);
void contention_count_fork_child(uint64_t nth);

/* A wait begins; not yet busy. False: this wait is not timed. */
static inline __attribute__((always_inline)) bool contention_begins(struct contention_wait *w)
{
    w->began = 0;
    if (UNLIKELY(!contention_on || self.waits_busy)) {
        return false;
    }
    w->unasked = LOAD(&contention_block_rate) == 0; /* as in Go, a rate set meanwhile is too late */
    w->began = ticks_now();
    return true;
}

/* While busy: the wait w ended at `now`, ticks. Counts it for block; how many ns it took. */
static inline __attribute__((always_inline)) uint64_t
contention_counts(const struct contention_wait *w, bool condition, uint64_t now)
{
    uint64_t ns = LIKELY(now > w->began) ? ticks_to_ns(now - w->began, now) : 0;
    if (UNLIKELY(self.depth > 0)) {
        self.alloc_began = 0; /* inside a sampled malloc or free: that call is not counted, too */
    }
    if (LIKELY(!w->unasked)) {
        contention_count_wait(ns, condition);
    }
    return ns;
}

/* ---- at once ----
 *
 * The caches are cold after a sleep, and a function that may call another has registers to save
 * first. So the usual case of each step is a function that makes no call (contention.c,
 * contention_condition.c). Other cases tail-call a general function, for which either nothing has
 * been changed yet, or which does what is left to do. */
#define CONTENTION_LONG_WAY WAIT_PATH __attribute__((noinline))

/* Tail-called, while busy; they end with contention_idle(). */
CONTENTION_LONG_WAY void contention_ends_kept(uint64_t ns, uint64_t rate, bool condition);
CONTENTION_LONG_WAY void contention_ends_counting(const struct contention_wait *w, bool condition,
                                                  uint64_t now);

CONTENTION_LONG_WAY void contention_ends_release(uint64_t ns);

/* As contention_counts(), but only where ticks_are_counted(); to be tail-called likewise. */
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
