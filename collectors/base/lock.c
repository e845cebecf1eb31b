/* SPDX-License-Identifier: MIT
 *
 * The waiting half of lock.h. SIGNAL_SAFE: sched_yield is its only system call.
 */
#include "collectors/base/lock.h"

enum { YIELDING = 4096 };

bool lock_try_for(struct lock *l, int spins)
{
    for (int i = 0; i < spins; i++) {
        if (lock_try(l)) {
            return true;
        }
        sys_spin_pause();
        if (i % 64 ==
            63) { /* the holder may have lost its processor: let it run, and if it is of */
            if (i < YIELDING) { /* lower priority than we are, only our sleep will */
                sys_call0(SYS_sched_yield);
            } else {
                const struct timespec nap = {0, 50000};
                sys_call2(SYS_nanosleep, &nap, NULL);
            }
        }
    }
    return false;
}
