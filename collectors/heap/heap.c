/* SPDX-License-Identifier: MIT
 *
 * See heap.h. A bucket is keyed by (stack, object size, rate), as Go keys its own, and by labels if
 * they are asked for: with one size a bucket, the weight that undoes the sampling is one number for
 * all its objects, and counts stay whole numbers. Beyond SIZES_PER_STACK sizes, a stack's further
 * objects share mixed buckets, one for each power of two (which is also what the label "bytes" says
 * of them). Those keep weighted sums in fixed point, and a free takes off exactly what its
 * allocation added.
 *
 * No locks of its own; live.c takes LOCK_LIVE inside its functions.
 */
#include "collectors/heap/heap.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/log.h"
#include "collectors/base/newborn.h"
#include "collectors/base/sys.h"
#include "collectors/heap/heap_labels.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/recorded.h"
#include "collectors/tables/sampler.h"
#include "collectors/tables/table.h"

enum {
    SIZES_PER_STACK = 4096,
    /* value[] of a bucket of one size: objects; of a mixed one: objects × 2^FIXED and bytes. */
    ALLOCATED = 0,
    FREED = 1,
    BASE = 2, /* ALLOCATED at the fork that made this process */
    ALLOCATED_BYTES = 3,
    FREED_BYTES = 4,
    BASE_BYTES = 5,
    FIXED = 16,
};
/* While sampling is off, a thread looks again after so many bytes whether it is on. */
#define RECHECK (1ULL << 20)
#define MIXED (1ULL << 63) /* in the size key of a mixed bucket; no object is that large */

static struct table table;
static bool kept; /* heap or allocs is; written at start only */
static uint64_t rate_now;
static uint64_t seed_given;
static uint64_t threads_seeded;
static struct {
    int64_t growth; /* 0 = not watched */
    int64_t live;   /* bytes, estimated */
    int64_t peak;   /* `live` at the last dump that its growth caused */
    void (*dump)(void);
} watch;
static struct bucket lost_bucket; /* mixed; for objects without memory for a bucket of their own */

static void rebase(void);

/* Do the program's own calls of malloc and free come to this library? Not where another malloc was
 * preloaded before it. Asks the dynamic linker: never in a signal handler or inside malloc. */
static bool malloc_is_ours(void)
{
    return libc_binds_to_us("malloc") && libc_binds_to_us("free");
}

static void start(const struct collector_settings *s, uint32_t parts)
{
    kept = parts != 0 && malloc_is_ours();
    if (parts != 0 && !kept && s->mem_rate > 0) {
        log_line(
            "another malloc comes before this library: the heap is not seen (name this library "
            "first in LD_PRELOAD)");
    }
    if ((kept && s->mem_rate > 0) || s->allocator_is_known) {
        allocator_start(s->allocator_lo, s->allocator_hi);
    }
    watch.growth = s->heap_growth;
    watch.dump = s->heap_grown;
    heap_labels_start(s->heap_labels && kept);
    lost_bucket.stack = stack_pseudo(PSEUDO_LOST_MEMORY);
    lost_bucket.key[0] = MIXED;
    seed_given = s->seed;
    recorded_add(rebase);
    STORE(&rate_now, kept ? (uint64_t)s->mem_rate : 0);
    self.random = 0; /* this thread may have begun its countdown at a rate of 0 */
    self.heap_left = 0;
}

static void stop(void)
{
    STORE(&rate_now, 0);
    allocator_stop();
}

static void fork_child(uint64_t nth)
{
    live_fork_child();
    seed_given = seed_given ? sampler_seed(seed_given, nth) : 0;
    threads_seeded = 0;
    self.random = 0; /* else all children would sample the same allocations */
    self.heap_left = 0;
}

const struct collector heap_collector = {start, stop, fork_child};

bool heap_is_kept(void)
{
    return kept;
}

uint64_t heap_rate(void)
{
    return LOAD(&rate_now);
}

/* ---- deciding ---- */

void heap_set_rate(uint64_t rate)
{
    if (!kept) {
        return;
    }
    STORE(&rate_now, rate);
    self.random = 0;
    self.heap_left = 0;
}

static void draw_gap(uint64_t rate)
{
    self.heap_rate = rate;
    self.heap_left = rate > 1 ? sampler_gap(&self.random, rate) + 1 : 0;
}

/* Seeds the thread's generator and draws its first gap; the object at hand is not sampled for that.
 */
static void countdown_begin(uint64_t rate)
{
    self.random = sampler_seed(seed_given ? seed_given : (uint64_t)sys_clock_ns(CLOCK_MONOTONIC),
                               ADD(&threads_seeded, 1));
    draw_gap(rate);
}

static bool heap_decide(size_t n)
{
    uint64_t rate = LOAD(&rate_now);
    if (self.probe_armed) { /* an operator new asks whether it calls malloc: it does */
        self.probe_armed = false;
        self.probe_hit = true;
        self.heap_left = self.probe_left;
        if (self.random && !heap_countdown(n)) {
            return false;
        }
    }
    if (rate == 0) {
        self.random = 0;
        self.heap_left = RECHECK;
        return false;
    }
    if (!self.random) {
        countdown_begin(rate);
        if (!heap_countdown(n)) {
            return false;
        }
    }
    self.heap_rate_sampled = self.heap_rate;
    draw_gap(rate);
    return self.depth == 0;
}

bool heap_wants(size_t n)
{
    uint64_t program = arch_float_enter();
    bool wanted = heap_decide(n);
    arch_float_leave(program);
    return wanted;
}

/* ---- recording ---- */

static struct bucket *bucket_with(const struct labels *labels, const struct stack *stack,
                                  uint64_t size, uint64_t rate)
{
    struct bucket *b = table_find(&table, stack, labels, size, rate);
    return b ? b : table_bucket(&table, stack, heap_labels_of_new(labels), size, rate);
}

static struct bucket *bucket_for(const struct stack *stack, uint64_t size, uint64_t rate)
{
    const struct labels *labels = heap_labels_here();
    struct bucket *b = table_find(&table, stack, labels, size, rate);
    if (b) {
        return b;
    }
    /* Sizes are counted by their buckets without labels, which may stay empty. */
    b = labels ? table_find(&table, stack, NULL, size, rate) : NULL;
    if (!b) {
        uint32_t *sizes = (uint32_t *)&stack->heap_sizes; /* NOLINT: the stack's one mutable word */
        if (ADD(sizes, 1) >= SIZES_PER_STACK) {
            size = MIXED | (size ? 1ULL << (63 - __builtin_clzll(size)) : 0);
        }
        b = table_bucket(&table, stack, NULL, size, rate);
    }
    return b && labels ? bucket_with(labels, stack, size, rate) : b;
}

static bool is_mixed(const struct bucket *b)
{
    return b->key[0] & MIXED;
}

/* Adds one object to a bucket's ALLOCATED or FREED side; sign −1 takes it off again. */
static void bucket_count(struct bucket *b, int side, uint64_t size, uint64_t sign)
{
    if (!is_mixed(b)) {
        ADD(&b->value[side], sign);
        return;
    }
    uint64_t program = arch_float_enter();
    double weight = sampler_weight(size, b->key[1]);
    uint64_t objects = (uint64_t)(weight * (1 << FIXED) + 0.5);
    uint64_t bytes = (uint64_t)(weight * (double)size + 0.5);
    COMPUTED_HERE(objects);
    COMPUTED_HERE(bytes);
    arch_float_leave(program);
    ADD(&b->value[side], sign * objects);
    ADD(&b->value[side + ALLOCATED_BYTES], sign * bytes);
}

/* PPROF_HEAP_GROWTH: an object has come (sign 1) or gone (−1); asks for a dump at a new peak. */
static void watch_count(uint64_t size, uint64_t rate, int sign)
{
    if (LIKELY(watch.growth == 0)) {
        return;
    }
    uint64_t program = arch_float_enter();
    int64_t bytes = (int64_t)(sampler_weight(size, rate) * (double)size + 0.5);
    COMPUTED_HERE(bytes);
    arch_float_leave(program);
    int64_t live = ADD(&watch.live, sign * bytes) + sign * bytes;
    int64_t peak = LOAD(&watch.peak);
    while (live - peak > watch.growth) {
        if (CAS(&watch.peak, &peak, live)) {
            watch.dump();
        }
    }
}

void heap_allocated(void *p, size_t n)
{
    self.depth++;
    newborn_look();
    recorded_event();
    uint64_t rate = self.heap_rate_sampled;
    if (allocator_timed) {
        allocator_count(n, rate);
    }
    const struct stack *stack = stack_of_caller();
    struct bucket *b = stack ? bucket_for(stack, n, rate) : NULL;
    if (!b) {
        b = &lost_bucket;
        b->key[1] = rate;
    }
    bucket_count(b, ALLOCATED, n, 1);
    struct live_object object = {(uintptr_t)p, n, b};
    struct live_object stale;
    if (!live_insert(&object, &stale, self.depth > 1)) {
        bucket_count(b, FREED, n, 1); /* its free will not be seen: not in use */
    } else {
        if (stale.address) {
            bucket_count(stale.bucket, FREED, stale.size, 1);
            watch_count(stale.size, stale.bucket->key[1], -1);
        }
        watch_count(n, rate, 1);
    }
    self.depth--;
}

bool heap_freed(void *p, struct live_object *object)
{
    if (!live_maybe_far(p)) {
        return false;
    }
    self.depth++;
    bool found = live_remove(p, object, self.depth > 1);
    if (found) {
        bucket_count(object->bucket, FREED, object->size, 1);
        watch_count(object->size, object->bucket->key[1], -1);
    }
    self.depth--;
    return found;
}

void heap_unfreed(const struct live_object *object)
{
    struct live_object stale;
    self.depth++;
    if (live_insert(object, &stale, self.depth > 1)) {
        bucket_count(object->bucket, FREED, object->size, (uint64_t)-1);
        watch_count(object->size, object->bucket->key[1], 1);
    }
    self.depth--;
}

/* ---- reading ---- */

static void rebase_bucket(void *node, void *arg)
{
    struct bucket *b = node;
    (void)arg;
    b->value[BASE] = LOAD(&b->value[ALLOCATED]);
    b->value[BASE_BYTES] = LOAD(&b->value[ALLOCATED_BYTES]);
}

static void rebase(void)
{
    hashset_each(&table.set, rebase_bucket, NULL);
    rebase_bucket(&lost_bucket, NULL);
}

static int64_t round_up_half(double x)
{
    return (int64_t)(x + 0.5);
}

static bool bucket_sample(const struct bucket *b, struct snapshot_sample *s)
{
    /* An object is counted as allocated before it is counted as freed. Read in the other order,
     * what is in use cannot come out negative. */
    uint64_t freed = LOAD_ACQUIRE(&b->value[FREED]);
    uint64_t freed_bytes = LOAD_ACQUIRE(&b->value[FREED_BYTES]);
    uint64_t allocated = LOAD_ACQUIRE(&b->value[ALLOCATED]);
    uint64_t allocated_bytes = LOAD_ACQUIRE(&b->value[ALLOCATED_BYTES]);
    uint64_t since = allocated - b->value[BASE];
    if (since == 0 && allocated == freed) {
        return false;
    }
    s->stack = b->stack;
    s->labels = b->labels;
    s->thread = NULL;
    if (is_mixed(b)) {
        s->bytes_label = b->key[0] & ~MIXED;
        s->value[0] = (int64_t)((since + (1 << (FIXED - 1))) >> FIXED);
        s->value[1] = (int64_t)(allocated_bytes - b->value[BASE_BYTES]);
        s->value[2] = (int64_t)((allocated - freed + (1 << (FIXED - 1))) >> FIXED);
        s->value[3] = (int64_t)(allocated_bytes - freed_bytes);
    } else {
        double weight = sampler_weight(b->key[0], b->key[1]);
        double size = (double)b->key[0];
        s->bytes_label = b->key[0];
        s->value[0] = round_up_half((double)since * weight);
        s->value[1] = round_up_half((double)since * weight * size);
        s->value[2] = round_up_half((double)(allocated - freed) * weight);
        s->value[3] = round_up_half((double)(allocated - freed) * weight * size);
    }
    return true;
}

size_t heap_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    struct bucket *const more[] = {&lost_bucket};
    uint64_t program = arch_float_enter();
    size_t n = table_snapshot(&table, more, ARRAY_LEN(more), bucket_sample, out, bytes);
    arch_float_leave(program);
    return n;
}
