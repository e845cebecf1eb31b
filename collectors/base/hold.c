/* SPDX-License-Identifier: MIT
 *
 * See hold.h. A vfork child shares the word, but must not stand still: its parent waits for it.
 */
#include "collectors/base/hold.h"

#include "collectors/base/sys.h"

#define MOST (20 * NSEC_PER_SEC) /* a last dump takes less */

uint32_t hold_by;
static int process; /* that of the thread */

void hold_begin(void)
{
    STORE(&process, sys_getpid());
    STORE_RELEASE(&hold_by, (uint32_t)sys_gettid());
}

void hold_end(void)
{
    STORE_RELEASE(&hold_by, 0);
    sys_futex_wake(&hold_by);
}

void hold_fork_child(void)
{
    hold_by = 0;
}

void hold_stay(void)
{
    uint32_t by = LOAD_ACQUIRE(&hold_by);
    if (by == 0 || by == (uint32_t)sys_gettid() || sys_getpid() != LOAD(&process)) {
        return;
    }
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + MOST;
    while (LOAD_ACQUIRE(&hold_by) == by && sys_clock_ns(CLOCK_MONOTONIC) < until) {
        sys_futex_wait(&hold_by, by, NSEC_PER_SEC);
    }
}
