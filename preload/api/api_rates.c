/* SPDX-License-Identifier: MIT
 *
 * The four rates, which the program may change while it runs. Each call returns the rate before it;
 * a negative rate changes nothing. A profile that is not enabled (PPROF_PROFILES) has no rate to
 * change. Any thread of the program.
 */
#include "collectors/cpu/cpu_rate.h"
#include "collectors/heap/heap.h"
#include "collectors/waits/contention.h"
#include "preload/api/api.h"

/* As config.c has them: beyond, what one sample stands for has no room. */
enum { CPU_RATE_MAX = 10000, MUTEX_FRACTION_MAX = 1 << 30 };
#define BLOCK_RATE_MAX (1L << 40)

long api_set_mem_rate(long rate)
{
    long before = (long)heap_rate();
    if (rate >= 0) {
        heap_set_rate((uint64_t)rate);
    }
    return before;
}

long api_set_block_rate(long rate)
{
    rate = rate > BLOCK_RATE_MAX ? BLOCK_RATE_MAX : rate;
    return (long)contention_set_block_rate(rate);
}

long api_set_mutex_fraction(long rate)
{
    rate = rate > MUTEX_FRACTION_MAX ? MUTEX_FRACTION_MAX : rate;
    return (long)contention_set_mutex_fraction(rate);
}

long api_set_cpu_rate(long rate)
{
    rate = rate > CPU_RATE_MAX ? CPU_RATE_MAX : rate;
    return (long)cpu_set_rate(rate);
}
