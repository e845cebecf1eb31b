/* SPDX-License-Identifier: MIT
 *
 * See cpu_table.h.
 */
#include "collectors/cpu/cpu_table.h"

#include "collectors/stacks/stack.h"
#include "collectors/tables/merge.h"
#include "collectors/tables/recorded.h"
#include "collectors/tables/table.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/thread_name.h"

enum {
    PERIODS = 0, /* value[] of a bucket; key[0] is the thread's name, key[1] the period */
    BASE = 1,    /* PERIODS at the fork that made this process */
    APART = 2,   /* those of PERIODS that were credited while only a session was on */
    SESSION = 3, /* PERIODS at the beginning of the session */
};

static struct table table;
static struct bucket lost_bucket;
static struct bucket unsampled_bucket;
static struct bucket start_bucket; /* before the library's start: exec, the dynamic linker */
static bool profile_on;            /* false: what is credited counts for the session alone */
static uint64_t one_period;        /* the only one so far; 0 = none yet, MANY = several */
#define MANY UINT64_MAX

static void rebase_bucket(void *node, void *arg)
{
    struct bucket *b = node;
    (void)arg;
    b->value[BASE] = LOAD(&b->value[PERIODS]) - LOAD(&b->value[APART]);
}

static void rebase(void)
{
    hashset_each(&table.set, rebase_bucket, NULL);
    rebase_bucket(&lost_bucket, NULL);
}

void cpu_table_start(void)
{
    lost_bucket.stack = stack_pseudo(PSEUDO_LOST_MEMORY);
    unsampled_bucket.stack = stack_pseudo(PSEUDO_LOST_UNSAMPLED);
    start_bucket.stack = stack_pseudo(PSEUDO_PROCESS_START);
    start_bucket.labels = labels_keep(labels_of_process());
    recorded_add(rebase);
}

void cpu_table_profile_is(bool on)
{
    STORE(&profile_on, on);
}

void cpu_table_credit(const struct stack *stack, const struct labels *labels, int64_t period,
                      int64_t periods)
{
    recorded_event();
    uint64_t seen = LOAD(&one_period);
    if (UNLIKELY(seen != (uint64_t)period && seen != MANY)) {
        STORE(&one_period, seen == 0 ? (uint64_t)period : MANY);
    }
    uint64_t name = (uintptr_t)thread_name_here();
    struct bucket *b =
        stack ? table_bucket(&table, stack, labels_keep(labels), name, (uint64_t)period) : NULL;
    if (!b) {
        b = &lost_bucket;
        b->key[1] = (uint64_t)period;
    }
    if (!LOAD(&profile_on)) {
        ADD(&b->value[APART], (uint64_t)periods); /* first: never counted for the profile */
    }
    __atomic_fetch_add(&b->value[PERIODS], (uint64_t)periods, __ATOMIC_RELEASE);
}

void cpu_table_unsampled(int64_t period, int64_t periods)
{
    unsampled_bucket.key[1] = (uint64_t)period;
    STORE(&unsampled_bucket.value[PERIODS], (uint64_t)periods);
}

void cpu_table_started(int64_t period, int64_t periods)
{
    start_bucket.key[1] = (uint64_t)period;
    STORE(&start_bucket.value[PERIODS], (uint64_t)periods);
}

static bool sample_of(const struct bucket *b, int64_t periods, struct snapshot_sample *out)
{
    *out = (struct snapshot_sample){.stack = b->stack,
                                    .labels = b->labels,
                                    .thread = (const void *)b->key[0], /* NOLINT: an address */
                                    .value = {periods, periods * (int64_t)b->key[1]}};
    return periods > 0;
}

static bool bucket_sample(const struct bucket *b, struct snapshot_sample *out)
{
    uint64_t all = LOAD_ACQUIRE(&b->value[PERIODS]);
    return sample_of(b, (int64_t)(all - LOAD(&b->value[APART]) - b->value[BASE]), out);
}

static bool session_sample(const struct bucket *b, struct snapshot_sample *out)
{
    return sample_of(b, (int64_t)(LOAD_ACQUIRE(&b->value[PERIODS]) - b->value[SESSION]), out);
}

static size_t merged(size_t n, struct snapshot_sample *samples)
{
    return LOAD(&one_period) == MANY && samples ? merge_samples(samples, n) : n;
}

size_t cpu_table_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    struct bucket *const more[] = {&lost_bucket, &unsampled_bucket, &start_bucket};
    size_t n = table_snapshot(&table, more, ARRAY_LEN(more), bucket_sample, out, bytes);
    return merged(n, *out);
}

static void mark_bucket(void *node, void *arg)
{
    struct bucket *b = node;
    (void)arg;
    STORE(&b->value[SESSION], LOAD(&b->value[PERIODS]));
}

void cpu_table_session_begin(void)
{
    hashset_each(&table.set, mark_bucket, NULL);
    mark_bucket(&lost_bucket, NULL);
}

size_t cpu_table_session(struct snapshot_sample **out, size_t *bytes)
{
    struct bucket *const more[] = {&lost_bucket};
    size_t n = table_snapshot(&table, more, ARRAY_LEN(more), session_sample, out, bytes);
    return merged(n, *out);
}
