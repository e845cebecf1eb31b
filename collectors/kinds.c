/* SPDX-License-Identifier: MIT
 *
 * See kinds.h. The types, units and defaults are Go's own, so that every viewer treats the files
 * as it treats Go's. No locks.
 */
#include "collectors/kinds.h"

#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/cpu/cpu_rate.h"
#include "collectors/custom.h"
#include "collectors/heap/heap.h"
#include "collectors/tables/merge.h"
#include "collectors/tables/recorded.h"
#include "collectors/threads/allthreads.h"
#include "collectors/threads/threadcreate.h"
#include "collectors/threads/threads.h"
#include "collectors/waits/contention.h"

#include <string.h>

#define HEAP_TYPES                                                                                 \
    {                                                                                              \
        {"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"},          \
        {                                                                                          \
            "inuse_space", "bytes"                                                                 \
        }                                                                                          \
    }

/* Of these, what is in use. */
enum { HEAP_STATES = 1 << 2 | 1 << 3 };

#define CONTENTION_TYPES                                                                           \
    {                                                                                              \
        {"contentions", "count"},                                                                  \
        {                                                                                          \
            "delay", "nanoseconds"                                                                 \
        }                                                                                          \
    }

/* A profile that counts itself: events, or what there is. */
#define COUNT_SHAPE(itself, is_state)                                                              \
    {                                                                                              \
        .name = (itself), .sample_type = {{(itself), "count"}}, .values = 1, .states = (is_state), \
        .period_type = {(itself), "count"}, .default_sample_type = (itself)                        \
    }

static int64_t period_one(void)
{
    return 1;
}

static int64_t heap_period(void)
{
    return (int64_t)heap_rate();
}

static long threads_count(void)
{
    return threads_alive();
}

/* The names, one string after the other, in a section of their own: `readelf -p pprof_kinds` tells
 * the tests which files a dump consists of. A row that takes its name from elsewhere fails them. */
#define NAME(itself)                                                                               \
    static const char itself##_name[] __attribute__((section("pprof_kinds"), used)) = #itself
NAME(heap);
NAME(allocs);
NAME(block);
NAME(mutex);
NAME(threadcreate);
NAME(goroutine);
NAME(cpu);

/* In the order of the start, of a fork's repair and of the files of a dump. cpu comes last: from
 * its start on, timers interrupt this thread at any instruction, and find the others started. */
struct kind kinds[] = {
    {.shape = {.name = heap_name,
               .sample_type = HEAP_TYPES,
               .values = 4,
               .states = HEAP_STATES,
               .period_type = {"space", "bytes"},
               .default_sample_type = "inuse_space"},
     .collector = &heap_collector,
     .part = HEAP_PART,
     .period = heap_period,
     .snapshot = heap_snapshot},
    {.shape = {.name = allocs_name,
               .sample_type = HEAP_TYPES,
               .values = 4,
               .states = HEAP_STATES,
               .period_type = {"space", "bytes"},
               .default_sample_type = "alloc_space"},
     .collector = &heap_collector,
     .part = HEAP_PART,
     .period = heap_period,
     .snapshot = heap_snapshot},
    {.shape = {.name = block_name,
               .sample_type = CONTENTION_TYPES,
               .values = 2,
               .period_type = {"contentions", "count"},
               .default_sample_type = "delay"},
     .collector = &contention_collector,
     .part = CONTENTION_BLOCK,
     .period = period_one,
     .snapshot = contention_block_snapshot},
    {.shape = {.name = mutex_name,
               .sample_type = CONTENTION_TYPES,
               .values = 2,
               .period_type = {"contentions", "count"},
               .default_sample_type = "delay"},
     .collector = &contention_collector,
     .part = CONTENTION_MUTEX,
     .period = period_one,
     .snapshot = contention_mutex_snapshot},
    {.shape = COUNT_SHAPE(threadcreate_name, 0),
     .collector = &threadcreate_collector,
     .part = THREADCREATE_PART,
     .period = period_one,
     .snapshot = threadcreate_snapshot,
     .count = threadcreate_count},
    {.shape = COUNT_SHAPE(goroutine_name, 1),
     .collector = &allthreads_collector,
     .needs = NEEDS_THREADS | NEEDS_CREATORS,
     .period = period_one,
     .snapshot_threads = allthreads_samples,
     .count = threads_count},
    {.shape = {.name = cpu_name,
               .sample_type = {{"samples", "count"}, {"cpu", "nanoseconds"}},
               .values = 2,
               .period_type = {"cpu", "nanoseconds"},
               .default_sample_type = "cpu"},
     .collector = &cpu_collector,
     .part = CPU_PART,
     .in_sessions = true,
     .period = cpu_period,
     .duration = cpu_since,
     .snapshot = cpu_snapshot},
};
const size_t kinds_count = ARRAY_LEN(kinds);

struct kind *kinds_find(const char *name, size_t len)
{
    for (size_t i = 0; i < kinds_count; i++) {
        if (strlen(kinds[i].shape.name) == len && memcmp(kinds[i].shape.name, name, len) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

bool kinds_has(const struct kind *k)
{
    size_t at = (uintptr_t)k - (uintptr_t)kinds;
    return at < sizeof kinds && at % sizeof kinds[0] == 0;
}

bool kinds_need(uint32_t needs)
{
    for (size_t i = 0; i < kinds_count; i++) {
        if (kinds[i].enabled && kinds[i].needs & needs) {
            return true;
        }
    }
    return false;
}

/* ---- the collectors ---- */

/* Is this row the first one of its collector? */
static bool is_first(const struct kind *k)
{
    const struct kind *first = kinds;
    while (first->collector != k->collector) {
        first++;
    }
    return first == k;
}

void kinds_start(const struct collector_settings *settings)
{
    struct collector_settings s = *settings;
    for (size_t i = 0; i < kinds_count; i++) {
        s.needs |= kinds[i].enabled ? kinds[i].needs : 0;
    }
    for (size_t i = 0; i < kinds_count; i++) {
        const struct collector *c = kinds[i].collector;
        uint32_t parts = 0;
        for (size_t j = 0; j < kinds_count; j++) {
            parts |= kinds[j].collector == c && kinds[j].enabled ? kinds[j].part : 0;
        }
        if (is_first(&kinds[i])) {
            c->start(&s, parts);
        }
    }
}

void kinds_stop(void)
{
    for (size_t i = 0; i < kinds_count; i++) {
        if (is_first(&kinds[i]) && kinds[i].collector->stop) {
            kinds[i].collector->stop();
        }
    }
}

void kinds_fork_child(uint64_t nth)
{
    for (size_t i = 0; i < kinds_count; i++) {
        if (is_first(&kinds[i]) && kinds[i].collector->fork_child) {
            kinds[i].collector->fork_child(nth);
        }
    }
    custom_fork_child();
}

/* ---- reading ---- */

size_t kind_snapshot(const struct kind *k, const struct allthreads *threads,
                     struct snapshot_sample **out, size_t *bytes)
{
    *out = NULL;
    *bytes = 0;
    if (!k->enabled) {
        return 0;
    }
    if (k->snapshot_threads) {
        return threads ? k->snapshot_threads(threads, out, bytes) : 0;
    }
    return k->snapshot ? k->snapshot(out, bytes) : custom_snapshot(k, out, bytes);
}

long kind_count(const struct kind *k)
{
    if (!k->enabled) {
        return 0;
    }
    if (k->count) {
        return k->count();
    }
    if (!k->collector) {
        return custom_count(k);
    }
    struct snapshot_sample *samples;
    size_t bytes;
    recorded_settle();
    size_t n = k->snapshot(&samples, &bytes);
    long stacks = (long)merge_stacks(samples, n);
    sys_unmap(samples, bytes);
    return stacks;
}

const char *pseudo_name(uintptr_t pc)
{
    static const char *const names[PSEUDO_PC_LIMIT] = {
        [PSEUDO_TRUNCATED] = "[truncated]",
        [PSEUDO_SELF] = "[pprofinject]",
        [PSEUDO_THREAD_END] = "[thread end]",
        [PSEUDO_LOST_MEMORY] = "[lost: no memory]",
        [PSEUDO_PROCESS_START] = "[process start]",
        [PSEUDO_LOST_UNSAMPLED] = "[lost: not sampled]",
        [PSEUDO_LOST_LOCK] = "[lost: profiler lock]",
        [PSEUDO_ALLOCATOR_LOCK] = "[allocator lock]",
        [PSEUDO_NO_RESPONSE] = "[no response]",
        [PSEUDO_SKIPPED] = "[skip beyond the stack]",
    };
    return pc < PSEUDO_PC_LIMIT ? names[pc] : NULL;
}
