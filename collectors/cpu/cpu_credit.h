/* SPDX-License-Identifier: MIT
 *
 * What a thread is credited with, read off its CPU clock. In each period of p ns lies one expiry of
 * the thread's timer, at an instant drawn uniformly from that period (cpu_timer.h). So a thread
 * that used c ns of CPU is credited with floor(c/p) or floor(c/p) + 1 periods, and with c/p exactly
 * in the mean. `credited` of its row counts the expiries that are accounted for: however signals
 * come, late, merged or not at all, the sum is right. No locks; SIGNAL_SAFE.
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
