/* SPDX-License-Identifier: MIT
 *
 * See ticks.h. The counter's rate is not asked for but measured, against the monotonic clock: over
 * all the time since the start at first, over the last quarter of a minute later on, so that what
 * NTP does to the clock, and a machine that was suspended or moved, are followed. A reading of both
 * is uncertain by the duration of one system call (some 0.3 µs), so a span measured since the
 * start is wrong by no more than that, and the rate by less than a millionth after a second.
 * Where the two part by more than that can be, a machine was suspended in between, and that stretch
 * is left out.
 */
#include "collectors/base/ticks.h"

#include "collectors/base/lock.h"

#include <string.h>

#define SECOND_NS 1000000000ULL
enum { WINDOW_S = 16, RESTART_NS = 10000000, JUMP_NS = 10000000, JUMP_PART = 64, READINGS = 4 };

struct moment {
    uint64_t ticks, ns;
};

READ_OFTEN struct ticks_state ticks_state
    __attribute__((aligned(CACHE_LINE))) = {.source = TICKS_UNKNOWN};
static uint64_t stand_in_offset, stand_in_rate; /* of TICKS_STAND_IN */
static struct lock measuring;                   /* what follows */
static struct moment base, last;
static bool jumped; /* between the last two moments */

/* The closest of a few readings: a thread may lose its processor in the middle of one. */
static struct moment moment_now(void)
{
    enum { CLOSE = 10000 }; /* ticks */
    struct moment best = {0, 0};
    uint64_t took = UINT64_MAX;
    for (int i = 0; i < READINGS && took > CLOSE; i++) {
        uint64_t before = arch_counter();
        uint64_t ns = (uint64_t)sys_clock_ns(CLOCK_MONOTONIC);
        uint64_t ticks = arch_counter() - before;
        if (ticks < took) {
            best = (struct moment){before + ticks / 2, ns};
            took = ticks;
        }
    }
    return best;
}

/* The clock's time in ticks of that rate, from a beginning of its own. */
static uint64_t clock_ticks(uint64_t ns, uint64_t rate)
{
    return (uint64_t)(((unsigned __int128)ns << 32) / rate);
}

void ticks_start(void)
{
    if (LOAD(&ticks_state.source) ==
        TICKS_UNKNOWN) { /* else a constructor before ours has forbidden it */
        base = last = moment_now();
    }
}

/* Does the kernel trust the counter: is it constant, and the same on all processors? */
static bool counter_is_trusted(void)
{
    char name[32] = "";
    int fd =
        sys_open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY, 0);
    if (fd >= 0) {
        sys_read(fd, name, sizeof name - 1);
        sys_close(fd);
    }
    return strcmp(name, ARCH_COUNTER_SOURCE "\n") == 0;
}

/* Notes the rate since the base, and when to look again: when the span has doubled, or in a second.
 */
static void note_rate(struct moment now)
{
    uint64_t ticks = now.ticks - base.ticks;
    uint64_t ns = now.ns - base.ns;
    if (now.ticks > base.ticks && ns > 0) {
        STORE(&ticks_state.ns_per_tick, (uint64_t)(((unsigned __int128)ns << 32) / ticks));
    }
    STORE(&ticks_state.measured_at, now.ticks);
    STORE(&ticks_state.measure_next, ns < SECOND_NS ? ticks : ticks / (ns / SECOND_NS));
}

/* Since the last moment, did one of the two stand while the other went on, as it does where a
 * machine is suspended? Or is this another machine? NTP corrects by less than a thousandth. */
static bool has_jumped(struct moment now)
{
    uint64_t by_clock = now.ns - last.ns;
    uint64_t by_counter = ticks_known_ns(now.ticks - last.ticks);
    uint64_t apart = by_clock > by_counter ? by_clock - by_counter : by_counter - by_clock;
    return apart > JUMP_NS + by_clock / JUMP_PART;
}

/* Measures from `now` on; until there is enough of that, by the rate known so far. */
static void begin_anew(struct moment now)
{
    base = now;
    STORE(&ticks_state.measured_at, now.ticks);
    STORE(&ticks_state.measure_next, ((uint64_t)RESTART_NS << 32) / LOAD(&ticks_state.ns_per_tick));
}

void ticks_forbid_counter(void)
{
    uint32_t seen = TICKS_UNKNOWN;
    if (!CAS(&ticks_state.source, &seen, TICKS_CLOCK) && seen == TICKS_COUNTER) {
        struct moment now = moment_now();
        uint64_t rate = LOAD(&ticks_state.ns_per_tick);
        STORE(&stand_in_offset, now.ticks - clock_ticks(now.ns, rate));
        STORE(&stand_in_rate, rate);
        CAS(&ticks_state.source, &seen, TICKS_STAND_IN);
    }
}

uint64_t ticks_first(void)
{
    uint32_t seen = LOAD_ACQUIRE(&ticks_state.source);
    if (seen == TICKS_STAND_IN) {
        uint64_t ns = (uint64_t)sys_clock_ns(CLOCK_MONOTONIC);
        return clock_ticks(ns, LOAD(&stand_in_rate)) + LOAD(&stand_in_offset);
    }
    if (seen == TICKS_UNKNOWN) {
        bool trusted = base.ns && counter_is_trusted();
        if (trusted) {
            note_rate(moment_now());
        }
        uint32_t found = trusted && LOAD(&ticks_state.ns_per_tick) ? TICKS_COUNTER : TICKS_CLOCK;
        seen = CAS(&ticks_state.source, &seen, found) ? found : seen;
    }
    return seen == TICKS_COUNTER ? arch_counter() : (uint64_t)sys_clock_ns(CLOCK_MONOTONIC);
}

void ticks_measure(void)
{
    if (!lock_try(&measuring, LOCK_TICKS)) {
        return; /* somebody is at it; the rate known so far does */
    }
    struct moment now = moment_now();
    bool backwards = now.ticks < last.ticks || now.ns < last.ns;
    jumped = backwards || (!jumped && has_jumped(now)); /* twice: the rate is what has changed */
    if (jumped) {
        begin_anew(now);
    } else {
        note_rate(now);
        if (now.ns - base.ns > WINDOW_S * SECOND_NS) {
            base = last;
        }
    }
    last = now;
    lock_drop(&measuring);
}

void ticks_fork_child(void)
{
    lock_drop(&measuring); /* its holder is not here */
}

uint64_t ticks_other_ns(uint64_t span)
{
    if (LOAD(&ticks_state.source) == TICKS_CLOCK) {
        return span;
    }
    return (uint64_t)((unsigned __int128)span * LOAD(&stand_in_rate) >> 32);
}
