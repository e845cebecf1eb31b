/* SPDX-License-Identifier: MIT
 *
 * See kinds.h. The types, units and defaults are Go's own, so that every viewer treats the files
 * as it treats Go's. No locks; read-only after start.
 */
#include "collectors/kinds.h"

#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
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

#define CONTENTION_TYPES                                                                           \
    {                                                                                              \
        {"contentions", "count"},                                                                  \
        {                                                                                          \
            "delay", "nanoseconds"                                                                 \
        }                                                                                          \
    }

/* A profile that counts itself. */
#define COUNT_SHAPE(itself)                                                                        \
    {                                                                                              \
        .name = (itself), .sample_type = {{(itself), "count"}}, .values = 1,                       \
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

struct kind kinds[KIND_COUNT] = {
    [KIND_CPU] = {.shape = {.name = "cpu",
                            .sample_type = {{"samples", "count"}, {"cpu", "nanoseconds"}},
                            .values = 2,
                            .period_type = {"cpu", "nanoseconds"},
                            .default_sample_type = "cpu",
                            .has_duration = true},
                  .period = cpu_period,
                  .duration = cpu_since,
                  .snapshot = cpu_snapshot},
    [KIND_HEAP] = {.shape = {.name = "heap",
                             .sample_type = HEAP_TYPES,
                             .values = 4,
                             .period_type = {"space", "bytes"},
                             .default_sample_type = "inuse_space"},
                   .period = heap_period,
                   .snapshot = heap_snapshot},
    [KIND_ALLOCS] = {.shape = {.name = "allocs",
                               .sample_type = HEAP_TYPES,
                               .values = 4,
                               .period_type = {"space", "bytes"},
                               .default_sample_type = "alloc_space"},
                     .period = heap_period,
                     .snapshot = heap_snapshot},
    [KIND_BLOCK] = {.shape = {.name = "block",
                              .sample_type = CONTENTION_TYPES,
                              .values = 2,
                              .period_type = {"contentions", "count"},
                              .default_sample_type = "delay"},
                    .period = contention_period,
                    .snapshot = contention_block_snapshot},
    [KIND_MUTEX] = {.shape = {.name = "mutex",
                              .sample_type = CONTENTION_TYPES,
                              .values = 2,
                              .period_type = {"contentions", "count"},
                              .default_sample_type = "delay"},
                    .period = contention_period,
                    .snapshot = contention_mutex_snapshot},
    [KIND_THREADCREATE] = {.shape = COUNT_SHAPE("threadcreate"),
                           .period = period_one,
                           .snapshot = threadcreate_snapshot},
    [KIND_GOROUTINE] = {.shape = COUNT_SHAPE("goroutine"), .period = period_one},
};

const char *kind_name(const struct kind *k)
{
    return k->name ? k->name : k->shape.name;
}

size_t kind_snapshot(const struct kind *k, const struct allthreads *threads,
                     struct snapshot_sample **out, size_t *bytes)
{
    *out = NULL;
    *bytes = 0;
    if (!k->enabled) {
        return 0;
    }
    if (k == &kinds[KIND_GOROUTINE]) {
        return threads ? allthreads_samples(threads, out, bytes) : 0;
    }
    return k->snapshot ? k->snapshot(out, bytes) : custom_snapshot(k, out, bytes);
}

long kind_count(const struct kind *k)
{
    if (!k->enabled) {
        return 0;
    }
    if (k == &kinds[KIND_GOROUTINE]) {
        return threads_alive();
    }
    if (k == &kinds[KIND_THREADCREATE]) {
        return threadcreate_count();
    }
    if (!k->snapshot) {
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

int kinds_find(const char *name, size_t len)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strlen(kinds[i].shape.name) == len && memcmp(kinds[i].shape.name, name, len) == 0) {
            return i;
        }
    }
    return -1;
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
