/* SPDX-License-Identifier: MIT
 *
 * See ticks.h. The counter's rate is measured against the monotonic clock: at first over all the
 * time since the start, later over the last 16 s at most, so that it follows NTP's corrections of
 * the clock, and a machine that was suspended or moved. A reading of both is uncertain by the
 * duration of one reading of the clock (some 0.3 µs), so a span measured since the start is wrong
 * by no more than that, and the rate by less than a millionth after a second. If counter and clock
 * differ by more than NTP can make them differ, the machine was suspended in between, and measuring
 * begins anew.
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
static uint64_t stand_in_offset, stand_in_rate; /* with TICKS_STAND_IN: clock to ticks and back */
static struct lock measuring;                   /* guards what follows */
static struct moment base, last;
static bool jumped; /* between the last two moments */

/* Of a few readings the one that took the least ticks: a thread may lose its processor in one. */
static struct moment moment_now(void)
{
    enum { CLOSE = 10000 }; /* ticks that a good reading takes at most */
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

/* The clock's time in ticks, rate: ns per tick in 32.32 fixed point; with an origin of its own. */
static uint64_t clock_ticks(uint64_t ns, uint64_t rate)
{
    return (uint64_t)(((unsigned __int128)ns << 32) / rate);
}

void ticks_start(void)
{
    if (LOAD(&ticks_state.source) ==
        TICKS_UNKNOWN) { /* else a constructor before ours has forbidden the counter */
        base = last = moment_now();
    }
}

/* Does the kernel itself keep time by the counter? Then its rate is constant, and it is the same on
 * all processors. */
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

/* Notes the rate between `base` and `now`, and when to recalibrate: when that span has doubled, or
 * in a second if that is sooner. */
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

/* Since `last`, has one of counter and clock stood while the other went on, as where a machine is
 * suspended, or is this another machine? NTP corrects by less than a thousandth. */
static bool has_jumped(struct moment now)
{
    uint64_t by_clock = now.ns - last.ns;
    uint64_t by_counter = ticks_known_ns(now.ticks - last.ticks);
    uint64_t apart = by_clock > by_counter ? by_clock - by_counter : by_counter - by_clock;
    return apart > JUMP_NS + by_clock / JUMP_PART;
}

/* Measures from `now` on. Until RESTART_NS have passed, the rate known so far is used. */
static void begin_anew(struct moment now)
{
    base = now;
    STORE(&ticks_state.measured_at, now.ticks);
    STORE(&ticks_state.measure_next, ((uint64_t)RESTART_NS << 32) / LOAD(&ticks_state.ns_per_tick));
}

void ticks_forbid_counter(void)
{
    uint32_t seen = TICKS_UNKNOWN;
    STORE(&ticks_state.forbidden, true);
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
        return; /* another thread does it; the rate known so far will do */
    }
    struct moment now = moment_now();
    bool backwards = now.ticks < last.ticks || now.ns < last.ns;
    jumped = backwards || (!jumped && has_jumped(now)); /* two in a row: another rate */
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
    lock_drop(&measuring); /* a thread of the parent may hold it */
}

uint64_t ticks_other_ns(uint64_t span)
{
    if (LOAD(&ticks_state.source) == TICKS_CLOCK) {
        return span;
    }
    return (uint64_t)((unsigned __int128)span * LOAD(&stand_in_rate) >> 32);
}
