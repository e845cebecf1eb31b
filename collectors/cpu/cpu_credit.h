/* SPDX-License-Identifier: MIT
 *
 * What a thread is credited with, read off its CPU clock. A timer's first expiry is drawn uniformly
 * from the first period, so that a thread that used c ns of CPU is credited with floor(c/p) or
 * floor(c/p) + 1 periods of p ns, and with c/p exactly in the mean. Expiries lie at first, first +
 * p, first + 2p, … on the thread's clock, and `credited` of its row counts those that are accounted
 * for: however signals come, late, merged or not at all, the sum is right. No locks; SIGNAL_SAFE.
 */
#ifndef COLLECTORS_CPU_CREDIT_H
#define COLLECTORS_CPU_CREDIT_H

#include "collectors/threads/threads.h"

/* Claims the periods that have ended at `clock`, a reading of t's CPU clock in ns, and that are not
 * yet credited: how many; *length: ns of one. Two threads may ask at once for one row: the thread
 * itself, and the one that ends the process. 0 while another thread changes the timer: what is due
 * then is claimed next time. */
SIGNAL_SAFE int64_t cpu_credit_claim(struct thread *t, int64_t clock, int64_t *length);

/* Credits what t has not been credited with at `clock` to "[thread end]" above its start routine:
 * no signal will bring it any more. */
SIGNAL_SAFE void cpu_credit_debt(struct thread *t, int64_t clock);

#endif
