/* SPDX-License-Identifier: MIT
 *
 * The waiting half of lock.h. SIGNAL_SAFE: sched_yield and nanosleep, raw, are its system calls.
 */
#include "collectors/base/lock.h"

enum {
    SPINS_PER_CALL = 64,
    SPINS_YIELDING = 4096, /* from then on asleep: a holder of lower priority runs no other way */
};

bool lock_try_for(struct lock *l, int spins)
{
    const struct timespec nap = {0, 50000};
    for (int i = 1; i <= spins; i++) {
        if (lock_try(l)) {
            return true;
        }
        sys_spin_pause();
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
