/* SPDX-License-Identifier: MIT
 *
 * See contention.h. Two tables of the same shape, block's and mutex's. Counts are kept in fixed
 * point, because a sampled short wait stands for a fraction of waits; integers throughout, so the
 * program's floating point is left alone. Locks: a bucket's of waiters_table.h, never over a system
 * call or the program's code.
 *
 * A thread's registration as a waiter is noted in its own block (self.waiting), so that one whose
 * wait ended by longjmp or asynchronous cancellation is taken out at its next wait or its end.
 */
#include "collectors/contention.h"

#include "collectors/allocator.h"
#include "collectors/base/lock.h"
#include "collectors/base/self.h"
#include "collectors/base/ticks.h"
#include "collectors/recorded.h"
#include "collectors/sampler.h"
#include "collectors/sleepers_table.h"
#include "collectors/stack.h"
#include "collectors/stack_memo.h"
#include "collectors/table.h"

enum {
    COUNT = 0, /* value[] of a bucket: contentions × 2^FIXED */
    DELAY = 1, /* ns */
    BASE_COUNT = 2,
    BASE_DELAY = 3,
    FIXED = 16,
};
#define ONE (1ULL << FIXED)

/* The kernel may be out of bounds: not even the time is asked for. */
static READ_OFTEN bool stopped;
READ_OFTEN bool contention_on;
static READ_OFTEN int64_t mutex_rate_now, block_rate_now;

static struct profile {
    struct table table;
    struct bucket lost; /* no memory for a bucket */
    struct bucket own;  /* contention on the library's own locks, which have no stack to tell */
    struct bucket allocator; /* and inside the program's allocator: allocator.h */
    bool wanted;
    int64_t rate_set;
    int64_t *rate; /* in force: 0 where the profile is not wanted */
} block = {.rate = &block_rate_now}, mutex = {.rate = &mutex_rate_now};

static uint64_t seed_given;
static uint64_t threads_seeded;

/* ---- sampling ---- */

static COLD void seed_this_thread(void)
{
    uint64_t seed = seed_given ? seed_given : (uint64_t)sys_clock_ns(CLOCK_MONOTONIC);
    self.wait_random = sampler_seed(seed, ADD(&threads_seeded, 1));
}

static inline uint64_t draw(void)
{
    if (UNLIKELY(!self.wait_random)) {
        seed_this_thread();
    }
    return sampler_random(&self.wait_random);
}

static struct bucket *bucket_of(struct profile *p, struct wait_memo *last, bool condition)
{
    /* In a sampled call of the allocator, whose frames a walk leaves out with ours around them. */
    if (UNLIKELY(self.depth > 1) && !condition) {
        return &p->allocator;
    }
    const struct stack *stack = stack_of_caller_again(&last->stack);
    if (LIKELY(stack && stack == last->of)) {
        return last->bucket;
    }
    struct bucket *b = NULL;
    if (stack) {
        /* An allocator's own threads sleep on conditions, and keep nobody waiting. */
        bool allocator = !condition && allocator_has(stack->pc[0]);
        b = allocator ? &p->allocator : table_bucket(&p->table, stack, 0, 0);
    }
    if (!b) {
        return &p->lost;
    }
    last->of = stack;
    last->bucket = b;
    return b;
}

static WAIT_PATH void count(struct profile *p, struct wait_memo *last, bool condition,
                            uint64_t contentions, uint64_t ns)
{
    recorded_event();
    self.depth++;
    struct bucket *b = bucket_of(p, last, condition);
    ADD(&b->value[COUNT], contentions);
    ADD(&b->value[DELAY], ns);
    self.depth--;
}

/* True in `part` of `whole` cases, whole > 0: the draw as a fraction of one, times whole. */
static inline bool drawn(uint64_t part, uint64_t whole)
{
    return (uint64_t)((unsigned __int128)draw() * whole >> 64) < part;
}

/* A wait of ns >= 1: kept for certain from `rate` on, below it as often as it is long. */
static WAIT_PATH void count_block(uint64_t ns, bool condition)
{
    uint64_t rate = (uint64_t)LOAD(&block_rate_now);
    if (ns >= rate) {
        if (rate > 0) {
            count(&block, &self.last_block, condition, ONE, ns);
        }
    } else if (drawn(ns, rate)) {
        count(&block, &self.last_block, condition, rate * ONE / ns, rate);
    }
}

static void count_mutex(uint64_t ns)
{
    uint64_t n = (uint64_t)LOAD(&mutex_rate_now);
    if (n == 1 || (n > 1 && drawn(1, n))) {
        count(&mutex, &self.last_mutex, false, n * ONE, n * ns);
    }
}

/* ---- the waiting thread ---- */

void contention_in_allocator(uint64_t ns, double weight)
{
    uint64_t rate = (uint64_t)LOAD(&block_rate_now);
    uint64_t n = (uint64_t)LOAD(&mutex_rate_now);
    if (LOAD(&stopped)) {
        return;
    }
    if (rate > 0 && (ns >= rate || drawn(ns, rate))) {
        double longer = ns >= rate ? 1 : (double)rate / (double)ns; /* as in count_block() */
        ADD(&block.allocator.value[COUNT], (uint64_t)(weight * longer * (double)ONE + 0.5));
        ADD(&block.allocator.value[DELAY], (uint64_t)(weight * longer * (double)ns + 0.5));
    }
    if (n > 0 && drawn(1, n)) {
        ADD(&mutex.allocator.value[COUNT], (uint64_t)(weight * (double)(n * ONE) + 0.5));
        ADD(&mutex.allocator.value[DELAY], (uint64_t)(weight * (double)(n * ns) + 0.5));
    }
}

static void wake(bool by_time)
{
    const void *cond = self.asleep_on;
    self.asleep_on = NULL;
    sleepers_leave(cond, self.asleep_for, by_time);
}

/* A thread that waits or releases is not asleep: it was cancelled, or jumped out. Or this is a
 * handler of the program's, and the wait that it interrupts is charged to nobody. */
static COLD void wake_if_left(void)
{
    self.waits_busy = true;
    if (self.asleep_on) {
        wake(true);
    }
    self.waits_busy = false;
}

static WAIT_PATH void unregister(const void *lock, uint64_t began)
{
    waiters_leave(lock, began);
    self.waiting = NULL;
}

/* False: this one is not to be seen. */
static inline __attribute__((always_inline)) bool wait_begins(struct contention_wait *w,
                                                              bool condition)
{
    w->lock = w->cond = NULL;
    w->began = 0;
    w->unheld = false;
    w->condition = condition;
    if (UNLIKELY(!contention_on || self.waits_busy)) {
        return false;
    }
    w->unasked = LOAD(&block_rate_now) == 0; /* as in Go, turned on meanwhile is too late */
    w->began = ticks_now();
    if (UNLIKELY(self.asleep_on)) {
        wake_if_left();
    }
    return true;
}

WAIT_PATH void contention_wait_begins(struct contention_wait *w, const void *lock)
{
    if (!wait_begins(w, false) || !lock) {
        return;
    }
    if (UNLIKELY(LOAD(&mutex_rate_now) == 0)) {
        waiters_note(lock);
        return;
    }
    self.waits_busy = true;
    if (UNLIKELY(self.waiting)) { /* it was jumped out of */
        unregister(self.waiting, self.waiting_since);
    }
    if (LIKELY(waiters_enter(lock, w->began))) {
        w->lock = self.waiting = lock;
        self.waiting_since = w->began;
    } else {
        w->unheld = true;
    }
    self.waits_busy = false;
}

/* It is over at now, and counted. */
static inline __attribute__((always_inline)) void wait_counts(const struct contention_wait *w,
                                                              uint64_t now)
{
    uint64_t ns = LIKELY(now > w->began) ? ticks_to_ns(now - w->began, now) : 0;
    if (UNLIKELY(self.depth > 0)) {
        self.alloc_began = 0; /* it is in a call of the allocator, and this is the call's wait */
    }
    if (LIKELY(!w->unasked)) {
        count_block(ns ? ns : 1, w->condition);
    }
    if (UNLIKELY(w->unheld)) {
        ADD(&mutex.lost.value[COUNT], ONE);
        ADD(&mutex.lost.value[DELAY], ns);
    }
}

WAIT_PATH void contention_wait_ends(struct contention_wait *w, bool waited)
{
    if (UNLIKELY(w->began == 0 || self.waits_busy || LOAD(&stopped))) {
        return;
    }
    uint64_t now = ticks_now();
    self.waits_busy = true;
    self.took = w->lock;
    self.took_at = now;
    if (w->lock && LIKELY(self.waiting == w->lock && self.waiting_since == w->began)) {
        unregister(w->lock, w->began); /* else: done, by a wait of a handler or in a forked child */
    }
    if (LIKELY(waited)) {
        wait_counts(w, now);
    }
    self.waits_busy = false;
}

/* ---- conditions ---- */

WAIT_PATH void contention_condition_begins(struct contention_wait *w, const void *cond,
                                           const void *lock, uint64_t begun)
{
    /* At a rate of 0, too: it may be another when it wakes. */
    if (!wait_begins(w, true) || (UNLIKELY(LOAD(&mutex_rate_now) == 0) && !mutex.wanted)) {
        return;
    }
    self.waits_busy = true;
    if (LIKELY(sleepers_enter(cond, lock, begun))) {
        w->cond = self.asleep_on = cond;
        self.asleep_for = lock;
        self.asleep_in = w;
    }
    self.waits_busy = false;
}

WAIT_PATH void contention_condition_ends(struct contention_wait *w, bool waited, bool by_time)
{
    if (UNLIKELY(w->began == 0 || self.waits_busy || LOAD(&stopped))) {
        return;
    }
    uint64_t now = ticks_now();
    self.waits_busy = true;
    self.took = NULL;
    if (LIKELY(w->cond && self.asleep_on && self.asleep_in == w)) { /* else: as above */
        self.took = self.asleep_for;
        wake(by_time);
    }
    self.took_at = now;
    if (LIKELY(waited)) {
        wait_counts(w, now);
    }
    self.waits_busy = false;
}

WAIT_PATH void contention_wakes(const void *cond, const struct sleepers_asked *asked, uint32_t most)
{
    if (LIKELY(LOAD(&mutex_rate_now) > 0 && !self.waits_busy && !LOAD(&stopped))) {
        self.waits_busy = true;
        sleepers_wake(cond, asked, most, ticks_now());
        self.waits_busy = false;
    }
}

void contention_thread_end(void)
{
    if (!self.waits_busy && !LOAD(&stopped)) {
        self.waits_busy = true;
        if (self.waiting) {
            unregister(self.waiting, self.waiting_since);
        }
        if (self.asleep_on) {
            wake(true);
        }
        self.waits_busy = false;
    }
    stack_memo_drop(&self.last_block.stack); /* also where a handler has jumped out of a wait */
    stack_memo_drop(&self.last_mutex.stack);
}

/* ---- the thread that made others wait ---- */

WAIT_PATH void contention_release_begins(struct contention_hold *h, const void *lock,
                                         uint32_t (*holders)(const void *lock))
{
    h->waited = 0;
    h->others = false;
    if (LIKELY(!self.waits_busy && !LOAD(&stopped))) {
        self.waits_busy = true;
        if (UNLIKELY(self.asleep_on)) { /* as in wake_if_left() */
            wake(true);
        }
        h->waited = waiters_claim(lock, holders, lock == self.took ? self.took_at : 0, &h->others);
        self.waits_busy = false;
    }
}

WAIT_PATH void contention_release_ends(struct contention_hold *h, const void *lock, bool released)
{
    if (UNLIKELY(self.waits_busy || (!h->waited && !h->others) || LOAD(&stopped))) {
        return;
    }
    self.waits_busy = true;
    if (UNLIKELY(h->others)) {
        waiters_released(lock);
    }
    if (LIKELY(h->waited && released)) {
        count_mutex(ticks_known_ns(h->waited)); /* the waiter's end measures the rate */
    }
    self.waits_busy = false;
}

/* ---- reading ---- */

int64_t contention_period(void)
{
    return 1;
}

static bool bucket_sample(const struct bucket *b, struct snapshot_sample *out)
{
    uint64_t delay = LOAD_ACQUIRE(&b->value[DELAY]) - b->value[BASE_DELAY];
    uint64_t contentions = LOAD(&b->value[COUNT]) - b->value[BASE_COUNT];
    *out = (struct snapshot_sample){
        .stack = b->stack,
        .value = {(int64_t)((contentions + ONE / 2) >> FIXED), (int64_t)delay},
    };
    return contentions > 0;
}

static size_t snapshot(struct profile *p, struct snapshot_sample **out, size_t *bytes)
{
    struct bucket *const more[] = {&p->lost, &p->own, &p->allocator};
    struct lock_waits own = lock_waits();
    p->own.value[COUNT] = *p->rate > 0 ? own.count * ONE : p->own.value[BASE_COUNT];
    p->own.value[DELAY] = *p->rate > 0 ? own.ns : p->own.value[BASE_DELAY];
    return table_snapshot(&p->table, more, ARRAY_LEN(more), bucket_sample, out, bytes);
}

size_t contention_block_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    return snapshot(&block, out, bytes);
}

size_t contention_mutex_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    return snapshot(&mutex, out, bytes);
}

/* ---- start, rates, fork ---- */

static void rebase_bucket(void *node, void *arg)
{
    struct bucket *b = node;
    (void)arg;
    b->value[BASE_COUNT] = LOAD(&b->value[COUNT]);
    b->value[BASE_DELAY] = LOAD(&b->value[DELAY]);
}

static void rebase_profile(struct profile *p)
{
    struct lock_waits own = lock_waits();
    hashset_each(&p->table.set, rebase_bucket, NULL);
    rebase_bucket(&p->lost, NULL);
    rebase_bucket(&p->allocator, NULL);
    p->own.value[BASE_COUNT] = own.count * ONE;
    p->own.value[BASE_DELAY] = own.ns;
}

static void rebase(void)
{
    rebase_profile(&block);
    rebase_profile(&mutex);
}

static int64_t set_rate(struct profile *p, int64_t rate)
{
    if (rate < 0) {
        return LOAD(&p->rate_set);
    }
    int64_t before = __atomic_exchange_n(&p->rate_set, rate, __ATOMIC_RELAXED);
    STORE(p->rate, p->wanted ? rate : 0);
    STORE(&contention_on, LOAD(&block_rate_now) > 0 || LOAD(&mutex_rate_now) > 0);
    return before;
}

int64_t contention_set_block_rate(int64_t rate)
{
    return set_rate(&block, rate);
}

int64_t contention_set_mutex_fraction(int64_t n)
{
    return set_rate(&mutex, n);
}

static void profile_start(struct profile *p, bool wanted, int64_t rate)
{
    p->lost.stack = stack_pseudo(PSEUDO_LOST_MEMORY);
    p->own.stack = stack_pseudo(PSEUDO_LOST_LOCK);
    p->allocator.stack = stack_pseudo(PSEUDO_ALLOCATOR_LOCK);
    p->wanted = wanted;
    set_rate(p, rate);
}

void contention_start(bool block_wanted, int64_t block_rate, bool mutex_wanted,
                      int64_t mutex_fraction, uint64_t seed)
{
    seed_given = seed;
    recorded_add(rebase);
    ticks_start();
    profile_start(&block, block_wanted, block_rate);
    profile_start(&mutex, mutex_wanted, mutex_fraction);
}

void contention_stop(void)
{
    STORE(&stopped, true);
    block.wanted = mutex.wanted = false;
    STORE(&block_rate_now, 0);
    STORE(&mutex_rate_now, 0);
    STORE(&contention_on, false);
}

void contention_fork_child(uint64_t nth)
{
    seed_given = seed_given ? sampler_seed(seed_given, nth) : 0;
    threads_seeded = 0;
    self.wait_random = 0;
    self.waiting = NULL;
    self.waits_busy = false;
    ticks_fork_child();
    stack_memo_fork_child();
    self.asleep_on = NULL;
    waiters_fork_child();
    sleepers_fork_child();
}
