/* SPDX-License-Identifier: MIT
 *
 * The length of a tick where the counter and the clock do not keep step: a machine that is
 * suspended, one that is moved to another. Both are made up here.
 */
#include "collectors/base/sys.h"

static uint64_t made_ticks = 1000;
static int64_t made_ns = 1000;
#define arch_counter() (made_ticks)
#define sys_clock_ns(clock) (made_ns)
#include "collectors/base/ticks.c" /* NOLINT: with these two in it */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PER_NS = 2 }; /* ticks of a nanosecond */

static void pass(uint64_t ns, uint64_t per_ns)
{
    made_ns += (int64_t)ns;
    made_ticks += ns * per_ns;
}

/* What a wait of 1 ms comes to, within 1 %. */
static void assert_ms(uint64_t per_ns)
{
    pass(1000000, per_ns);
    uint64_t ns = ticks_to_ns(1000000 * per_ns, made_ticks);
    assert_in_range(ns, 990000, 1010000);
}

static void test_suspended(void **state)
{
    (void)state;
    ticks_start();
    pass(1000000, PER_NS);
    uint64_t first = ticks_first();
    ticks_state.source = TICKS_COUNTER; /* whatever this machine's kernel trusts */
    note_rate(moment_now());
    assert_true(first > 0);
    for (int i = 0; i < 5000; i++) {
        assert_ms(PER_NS);
    }
    made_ticks += 3600 * SECOND_NS * PER_NS; /* the clock stood for an hour, the counter did not */
    for (int i = 0; i < 50000; i++) {
        assert_ms(PER_NS);
    }
    pass(5 * SECOND_NS, 0); /* the counter stood */
    for (int i = 0; i < 50000; i++) {
        assert_ms(PER_NS);
    }
}

/* Waits once a second on a faster machine: the second one knows it. */
static void test_moved(void **state)
{
    (void)state;
    enum { FASTER = 3 };
    pass(SECOND_NS, FASTER);
    (void)ticks_to_ns(1, made_ticks);
    for (int i = 0; i < 100; i++) {
        pass(SECOND_NS, FASTER);
        assert_ms(FASTER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suspended),
        cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
