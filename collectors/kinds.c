/* SPDX-License-Identifier: MIT
 *
 * See kinds.h. The types, units and defaults are Go's own, so that every viewer treats the files
 * as it treats Go's. No locks; read-only after start.
 */
#include "collectors/kinds.h"

#include "collectors/contention.h"
#include "collectors/cpu.h"
#include "collectors/heap.h"
#include "collectors/threadcreate.h"

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
};

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
    };
    return pc < PSEUDO_PC_LIMIT ? names[pc] : NULL;
}
