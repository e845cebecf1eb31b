// SPDX-License-Identifier: MIT
// The kernel checks CPU timers at its ticks, so a thread may have several periods of a high rate
// outstanding when a lower rate is set. They were credited as so many of the new, longer periods.
// Right: each counts as long as its own period.
#include "preload/pprofinject.h"
#include "test/programs/truth.h"

enum { TURNS = 40, BURN_NS = 30000000 };

static void burn(void)
{
    int64_t until = thread_cpu_ns() + BURN_NS;
    while (thread_cpu_ns() < until) {
        spin_a_little();
    }
}

int main(void)
{
    for (int i = 0; i < TURNS; i++) {
        pprof_set_cpu_profile_rate(1000);
        burn();
        pprof_set_cpu_profile_rate(100);
        burn();
    }
    printf("{\"burnt\": %lld}\n", (long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
