/* SPDX-License-Identifier: MIT
 *
 * The waiting half of lock.h. SIGNAL_SAFE: sched_yield and nanosleep, raw, are its system calls.
 */
#include "collectors/base/lock.h"

#include "collectors/base/ticks.h"

enum {
    SPINS_PER_CALL = 64,
    SPINS_YIELDING = 4096, /* from then on asleep: a holder of lower priority runs no other way */
};

static struct lock_waits waits;

struct lock_waits lock_waits(void)
{
    return (struct lock_waits){LOAD(&waits.count), LOAD(&waits.ns)};
}

static bool wait_for(struct lock *l, int spins)
{
    const struct timespec nap = {0, 50000};
    for (int i = 1; i <= spins; i++) {
        if (lock_try(l)) {
            return true;
        }
        arch_spin_pause();
        if (i % SPINS_PER_CALL != 0) {
            continue;
        }
        if (i <= SPINS_YIELDING) { /* the holder may have lost its processor: let it run */
            sys_call0(SYS_sched_yield);
        } else {
            sys_call2(SYS_nanosleep, &nap, NULL);
        }
    }
    return false;
}

bool lock_try_for(struct lock *l, int spins)
{
    if (lock_try(l)) {
        return true;
    }
    uint64_t began = ticks_now();
    bool taken = wait_for(l, spins);
    uint64_t now = ticks_now();
    ADD(&waits.count, 1);
    ADD(&waits.ns, ticks_to_ns(now - began, now));
    return taken;
}

bool lock_wait_or_give_up(struct lock *l, uint32_t *lost)
{
    enum { PATIENCE = 4096 + 64 * 5000 };
    /* Its holder may come back after all, but what happened meanwhile is not in there. */
    if (!LOAD(lost) && lock_try_for(l, PATIENCE)) {
        return true;
    }
    STORE(lost, 1);
    return false;
}
