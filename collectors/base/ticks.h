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
/* Private to ticks.h and ticks.c. */
extern HIDDEN struct ticks_state {
    uint32_t source;       /* enum ticks_source */
    bool forbidden;        /* by ticks_forbid_counter() */
    uint64_t ns_per_tick;  /* 32.32 fixed point; 0 = not yet known */
    uint64_t measured_at;  /* ticks, of the last calibration */
    uint64_t measure_next; /* ticks from there to the next one */
} ticks_state;

/* Reads both clocks once, so that the rate is known when the first wait ends. Constructor only. */
void ticks_start(void);

SIGNAL_SAFE COLD uint64_t ticks_first(void);

/* True: a tick is one of arch_counter(). */
static inline bool ticks_are_counted(void)
{
    return LOAD(&ticks_state.source) == TICKS_COUNTER;
}

/* The program has forbidden itself the counter, which libc's clock_gettime() reads too. */
static inline bool ticks_counter_is_forbidden(void)
{
    return LOAD(&ticks_state.forbidden);
}

static inline uint64_t ticks_now(void)
{
    return LIKELY(ticks_are_counted()) ? arch_counter() : ticks_first();
}

SIGNAL_SAFE COLD uint64_t ticks_other_ns(uint64_t span);
SIGNAL_SAFE COLD void ticks_measure(void);

/* Nanoseconds of a span of ticks, where ticks_are_counted(). */
SIGNAL_SAFE static inline uint64_t ticks_counted_ns(uint64_t span)
{
    return (uint64_t)((unsigned __int128)span * LOAD(&ticks_state.ns_per_tick) >> 32);
}

/* The same for ticks of any source. Never recalibrates: ticks_to_ns(), which is called at the end
 * of every wait, does. */
SIGNAL_SAFE static inline uint64_t ticks_known_ns(uint64_t span)
{
    if (UNLIKELY(LOAD_ACQUIRE(&ticks_state.source) != TICKS_COUNTER)) {
        return ticks_other_ns(span);
    }
    return ticks_counted_ns(span);
}

/* At `now`, a value of ticks_now() just taken, is it time to recalibrate? */
SIGNAL_SAFE static inline bool ticks_are_due(uint64_t now)
{
    return now - LOAD(&ticks_state.measured_at) > LOAD(&ticks_state.measure_next);
}

/* Nanoseconds of a span that ended at `now`; recalibrates if it is time. */
SIGNAL_SAFE static inline uint64_t ticks_to_ns(uint64_t span, uint64_t now)
{
    if (UNLIKELY(ticks_are_due(now)) && ticks_are_counted()) {
        ticks_measure();
    }
    return ticks_known_ns(span);
}

/* The program has forbidden itself the counter (PR_SET_TSC): from now on the monotonic clock is
 * read instead, and turned into ticks of the same length. */
SIGNAL_SAFE void ticks_forbid_counter(void);
/* In a forked child: another thread of the parent may have been recalibrating. */
void ticks_fork_child(void);

#endif
