/* SPDX-License-Identifier: MIT
 *
 * Time for waits: the processor's time stamp counter where the kernel itself keeps time by it, the
 * kernel's monotonic clock elsewhere. Reading the counter takes a third of what the vDSO's
 * clock_gettime does (20 against 62 ns on the machine this was measured on), and a contended lock
 * reads the time three times.
 *
 * A tick is turned into nanoseconds when it is recorded, never later: what is in a table does not
 * change with the estimate of the rate. SIGNAL_SAFE; any thread that has a thread block or not.
 */
#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include "collectors/base/sys.h"

enum ticks_source { TICKS_UNKNOWN, TICKS_COUNTER, TICKS_CLOCK, TICKS_STAND_IN };
extern HIDDEN uint32_t ticks_source; /* private to ticks_now(): enum ticks_source */

/* Notes what time it is, so that the first wait can be converted. Constructor only. */
void ticks_start(void);

SIGNAL_SAFE COLD uint64_t ticks_first(void);

static inline uint64_t ticks_now(void)
{
    return LIKELY(LOAD(&ticks_source) == TICKS_COUNTER) ? sys_counter() : ticks_first();
}

/* Nanoseconds of a span of ticks that ended at `now`, a value of ticks_now() just taken. */
SIGNAL_SAFE uint64_t ticks_to_ns(uint64_t span, uint64_t now);

/* The same by the rate known so far: for who knows that somebody calls the other now and then. */
SIGNAL_SAFE uint64_t ticks_known_ns(uint64_t span);
/* The counter must not be read any more, for good: the clock stands in for it, in the same ticks.
 */
SIGNAL_SAFE void ticks_forbid_counter(void);
/* In a forked child. */
void ticks_fork_child(void);

#endif
