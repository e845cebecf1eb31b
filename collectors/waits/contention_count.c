/* SPDX-License-Identifier: MIT
 *
 * See contention.h: what is sampled of the waits and releases that contention.c and
 * contention_condition.c see, and how it is counted. Two tables of the same shape, block's and
 * mutex's. Counts are kept in fixed point, because a sampled short wait stands for a fraction of
 * waits; integers throughout, so the program's floating point is left alone. No locks.
 */
#include "collectors/waits/contention_count.h"

#include "collectors/base/lock_wait.h"
#include "collectors/base/newborn.h"
#include "collectors/stacks/stack.h"
#include "collectors/stacks/stack_memo.h"
#include "collectors/tables/recorded.h"
#include "collectors/tables/table.h"
#include "collectors/threads/thread_name.h"

enum {
    COUNT = 0, /* value[] of a bucket: contentions × 2^FIXED */
    DELAY = 1, /* ns */
    BASE_COUNT = 2,
    BASE_DELAY = 3,
    FIXED = 16,
};
#define ONE (1ULL << FIXED)

READ_OFTEN bool contention_stopped;
READ_OFTEN bool contention_on;
READ_OFTEN int64_t contention_mutex_rate, contention_block_rate;

static struct profile {
    struct table table;
    struct bucket lost; /* waits for which there was no memory for a bucket */
    struct bucket
        own; /* waits for the library's own locks (lock_wait.h), of which no stack is kept */
    struct bucket allocator; /* waits inside the program's allocator */
    bool wanted;
    int64_t rate_set;
    int64_t *rate; /* the one in force: 0 where the profile is not kept */
} block = {.rate = &contention_block_rate}, mutex = {.rate = &contention_mutex_rate};

static uint64_t seed_given;
static uint64_t threads_seeded;
static uintptr_t allocator_lo, allocator_hi; /* its code; hi = 0: it is libc's */

/* ---- sampling and counting ---- */

void contention_seed_thread(void)
{
    uint64_t seed = seed_given ? seed_given : (uint64_t)sys_clock_ns(CLOCK_MONOTONIC);
    self.wait_random = sampler_seed(seed, ADD(&threads_seeded, 1));
}

void contention_allocator_at(uintptr_t lo, uintptr_t hi)
{
    allocator_lo = lo;
    allocator_hi = hi;
}

static bool is_in_allocator(uintptr_t pc)
{
    return pc - allocator_lo < allocator_hi - allocator_lo;
}

static inline __attribute__((always_inline)) struct bucket *
bucket_of(struct profile *p, struct wait_memo *last, bool condition)
{
    /* Inside a sampled malloc or free. A walk leaves out the frames up to that call's hook, the
     * allocator's among them, so that no stack could tell whose lock it is. */
    if (UNLIKELY(self.depth > 1) && !condition) {
        return &p->allocator;
    }
    const struct stack *stack = stack_of_caller_again(&last->stack);
    if (LIKELY(stack && stack == last->of)) {
        return last->bucket;
    }
    struct bucket *b = NULL;
    newborn_look(); /* here, off the path of most waits; then the event is its first */
    recorded_event();
    if (stack) {
        /* Waits for conditions are those of the allocator's own threads, which sleep until there is
         * work: no call waits for them. */
        bool allocator = !condition && is_in_allocator(stack->pc[0]);
        const struct stack *shown = last->leaf ? stack_in(stack, last->leaf) : stack;
        uint64_t name = (uintptr_t)thread_name_here();
        b = allocator ? &p->allocator : table_bucket(&p->table, shown, NULL, name, 0);
    }
    if (!b) {
        return &p->lost;
    }
    last->of = thread_name_on ? NULL : stack; /* the thread may have another name the next time */
    last->bucket = b;
    return b;
}

/* Always inlined: a function between here and the program would be one more frame to compare with
 * the last stack's, and to return through. */
static inline __attribute__((always_inline)) void
count(struct profile *p, struct wait_memo *last, bool condition, uint64_t contentions, uint64_t ns)
{
    recorded_event();
    self.depth++;
    struct bucket *b = bucket_of(p, last, condition);
    ADD(&b->value[COUNT], contentions);
    ADD(&b->value[DELAY], ns);
    self.depth--;
}

void contention_leaf(const void *function)
{
    uintptr_t leaf = (uintptr_t)function;
    struct wait_memo *const memos[] = {&self.last_block, &self.last_mutex};
    for (size_t i = 0; i < ARRAY_LEN(memos); i++) {
        if (memos[i]->leaf != leaf) {
            memos[i]->leaf = leaf;
            memos[i]->of = NULL; /* its bucket is that of a stack with another leaf */
        }
    }
}

static inline __attribute__((always_inline)) void count_kept(uint64_t ns, uint64_t rate,
                                                             bool condition)
{
    bool longer = ns >= rate;
    count(&block, &self.last_block, condition, longer ? ONE : rate * ONE / ns, longer ? ns : rate);
}

WAIT_PATH void contention_count_kept(uint64_t ns, uint64_t rate, bool condition)
{
    count_kept(ns, rate, condition);
}

void contention_ends_kept(uint64_t ns, uint64_t rate, bool condition)
{
    count_kept(ns, rate, condition);
    contention_idle();
}

void contention_ends_counting(const struct contention_wait *w, bool condition, uint64_t now)
{
    contention_counts(w, condition, now);
    contention_idle();
}

static inline __attribute__((always_inline)) void count_release(uint64_t ns)
{
    uint64_t n = (uint64_t)LOAD(&contention_mutex_rate);
    if (n == 1 || (n > 1 && contention_drawn(1, n))) {
        count(&mutex, &self.last_mutex, false, n * ONE, n * ns);
    }
}

void contention_count_waits(uint64_t ns, uint32_t n)
{
    uint64_t rate = (uint64_t)LOAD(&contention_block_rate);
    ns += ns == 0;
    if (rate > 0 && ns >= rate) {
        count(&block, &self.last_block, false, n * ONE, n * ns);
    } else if (rate > 0 && contention_drawn(ns, rate)) {
        count(&block, &self.last_block, false, n * (rate * ONE / ns), n * rate);
    }
}

void contention_count_release(uint64_t ns)
{
    count_release(ns);
}

void contention_ends_release(uint64_t ns)
{
    count_release(ns);
    contention_idle();
}

void contention_count_unheld(uint64_t ns)
{
    ADD(&mutex.lost.value[COUNT], ONE);
    ADD(&mutex.lost.value[DELAY], ns);
}

void contention_in_allocator(uint64_t ns, double weight)
{
    uint64_t rate = (uint64_t)LOAD(&contention_block_rate);
    uint64_t n = (uint64_t)LOAD(&contention_mutex_rate);
    if (LOAD(&contention_stopped)) {
        return;
    }
    if (rate > 0 && (ns >= rate || contention_drawn(ns, rate))) {
        double longer = ns >= rate ? 1 : (double)rate / (double)ns; /* as in count_kept() */
        ADD(&block.allocator.value[COUNT], (uint64_t)(weight * longer * (double)ONE + 0.5));
        ADD(&block.allocator.value[DELAY], (uint64_t)(weight * longer * (double)ns + 0.5));
    }
    if (n > 0 && contention_drawn(1, n)) {
        ADD(&mutex.allocator.value[COUNT], (uint64_t)(weight * (double)(n * ONE) + 0.5));
        ADD(&mutex.allocator.value[DELAY], (uint64_t)(weight * (double)(n * ns) + 0.5));
    }
}

/* ---- reading ---- */

static bool bucket_sample(const struct bucket *b, struct snapshot_sample *out)
{
    uint64_t delay = LOAD_ACQUIRE(&b->value[DELAY]) - b->value[BASE_DELAY];
    uint64_t contentions = LOAD(&b->value[COUNT]) - b->value[BASE_COUNT];
    *out = (struct snapshot_sample){
        .stack = b->stack,
        .thread = (const void *)b->key[0], /* NOLINT: an address */
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
    if (rate < 0 || !p->wanted) {
        return LOAD(&p->rate_set);
    }
    int64_t before = __atomic_exchange_n(&p->rate_set, rate, __ATOMIC_RELAXED);
    STORE(p->rate, rate);
    STORE(&contention_on, LOAD(&contention_block_rate) > 0 || LOAD(&contention_mutex_rate) > 0);
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
    p->rate_set = rate;
    set_rate(p, rate);
}

void contention_count_start(const struct collector_settings *s, uint32_t parts)
{
    seed_given = s->seed;
    recorded_add(rebase);
    ticks_start();
    profile_start(&block, parts & CONTENTION_BLOCK, s->block_rate);
    profile_start(&mutex, parts & CONTENTION_MUTEX, s->mutex_fraction);
}

bool contention_mutex_wanted(void)
{
    return mutex.wanted;
}

bool contention_wanted(void)
{
    return block.wanted || mutex.wanted;
}

void contention_count_stop(void)
{
    STORE(&contention_stopped, true);
    block.wanted = mutex.wanted = false;
    STORE(&contention_block_rate, 0);
    STORE(&contention_mutex_rate, 0);
    STORE(&contention_on, false);
}

void contention_count_fork_child(uint64_t nth)
{
    seed_given = seed_given ? sampler_seed(seed_given, nth) : 0;
    threads_seeded = 0;
    self.wait_random = 0;
}
