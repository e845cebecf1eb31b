/* SPDX-License-Identifier: MIT
 *
 * See lock_wait.h.
 */
#include "collectors/base/lock_wait.h"

#include "collectors/base/newborn.h"
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

static bool try_once(struct lock *l)
{
    return !LOAD(&l->taken) && !__atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE);
}

static bool wait_for(struct lock *l, int spins)
{
    const struct timespec nap = {0, 50000};
    for (int i = 1; i <= spins; i++) {
        if (try_once(l)) {
            return true;
        }
        arch_spin_pause();
        if (i % SPINS_PER_CALL != 0) {
            continue;
        }
        newborn_look(); /* the holder is a thread of the parent: then this frees the lock */
        if (i <= SPINS_YIELDING) { /* the holder may have lost its processor: let it run */
            sys_call0(SYS_sched_yield);
        } else {
            sys_call2(SYS_nanosleep, &nap, NULL);
        }
    }
    return false;
}

bool lock_spin(struct lock *l, int spins)
{
    if (try_once(l)) {
        return true;
    }
    uint64_t began = ticks_now();
    bool taken = wait_for(l, spins);
    uint64_t now = ticks_now();
    ADD(&waits.count, 1);
    ADD(&waits.ns, ticks_to_ns(now - began, now));
    return taken;
}

bool lock_spin_or_give_up(struct lock *l, uint32_t *lost)
{
    enum { PATIENCE = 4096 + 64 * 5000 };
    /* Its holder may come back after all, but what happened meanwhile is not in there. */
    if (!LOAD(lost) && lock_spin(l, PATIENCE)) {
        return true;
    }
    STORE(lost, 1);
    return false;
}
