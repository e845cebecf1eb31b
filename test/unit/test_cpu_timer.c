/* SPDX-License-Identifier: MIT
 *
 * The expiries of a thread's timer: one in each period, counted as they are placed, in the mean as
 * many as the clock has periods, and not in step with work that alternates at any pace.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/cpu/cpu_timer.h"

enum { PERIOD = 10000000 }; /* ns */

static struct cpu_timer_expiries timer(uint32_t draws)
{
    return (struct cpu_timer_expiries){.origin = 12345, .period = PERIOD, .draws = draws};
}

static void test_one_in_each_period(void **state)
{
    (void)state;
    struct cpu_timer_expiries e = timer(7);
    for (int64_t n = 0; n < 10000; n++) {
        int64_t at = cpu_timer_expiry(&e, n);
        assert_true(at > e.origin + n * PERIOD && at <= e.origin + (n + 1) * PERIOD);
        assert_int_equal(cpu_timer_expired(&e, at - 1), n);
        assert_int_equal(cpu_timer_expired(&e, at), n + 1);
    }
    assert_int_equal(cpu_timer_expired(&e, 0), 0);
    assert_int_equal(cpu_timer_expired(&e, e.origin), 0);
}

/* A thread that lives for a fraction of a period is counted with that probability: of n threads
 * within 4 standard deviations of a binomial distribution. */
static void test_short_lives(void **state)
{
    (void)state;
    enum { THREADS = 100000 };
    for (int tenth = 1; tenth < 10; tenth++) {
        int counted = 0;
        for (uint32_t i = 0; i < THREADS; i++) {
            struct cpu_timer_expiries e = timer(i * 11 + (uint32_t)tenth);
            counted += (int)cpu_timer_expired(&e, e.origin + tenth * (PERIOD / 10));
        }
        double q = tenth / 10.0;
        double sigma = sqrt(THREADS * q * (1 - q));
        assert_true(fabs(counted - THREADS * q) <= 4 * sigma);
    }
}

/* Work that alternates between a ns and b ns, from ten phases. Of so many expiries the share that
 * meets the first kind is within 4 standard deviations of as many independent draws. */
static void test_not_in_step(void **state)
{
    (void)state;
    enum { EXPIRIES = 3000, PHASES = 10 };
    static const int64_t pace[][2] = {
        {5000000, 5000000},  {10000000, 10000000}, {2500000, 2500000},    {1000000, 9000000},
        {9000000, 1000000},  {3333333, 6666667},   {2000000, 3000000},    {20000000, 20000000},
        {5000000, 15000000}, {4000000, 4000000},   {8000000, 2000000},    {100000, 9900000},
        {9900000, 100000},   {50000, 50000},       {1000, 1000},          {30000000, 10000000},
        {7000000, 3000000},  {10000000, 20000000}, {100000000, 10000000}, {1111111, 8888889}};
    for (size_t i = 0; i < sizeof pace / sizeof pace[0]; i++) {
        int64_t a = pace[i][0];
        int64_t both = a + pace[i][1];
        double q = (double)a / (double)both;
        double sigma = sqrt(EXPIRIES * q * (1 - q));
        for (int64_t phase = 0; phase < PHASES; phase++) {
            struct cpu_timer_expiries e = timer((uint32_t)(i * 1000) + (uint32_t)phase);
            int met = 0;
            for (int64_t n = 0; n < EXPIRIES; n++) {
                met += (cpu_timer_expiry(&e, n) + phase * both / PHASES) % both < a;
            }
            /* Work that is slower than the timer ends somewhere within a turn: the share of the
             * time itself is off by up to one turn. */
            double turn = (double)both / PERIOD;
            assert_true(fabs(met - EXPIRIES * q) <= 4 * sigma + turn);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_in_each_period),
        cmocka_unit_test(test_short_lives),
        cmocka_unit_test(test_not_in_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
