/* SPDX-License-Identifier: MIT
 *
 * The sampler against its own mathematics: gaps, probabilities, the estimator's bias, the two
 * functions of base/math.h. Every tolerance is that of the sampling error, with fixed seeds.
 */
#include "collectors/base/math.h"
#include "collectors/tables/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { DRAWS = 1000000, RATE = 524288 };

static void test_log(void **state)
{
    (void)state;
    assert_true(fabs(math_log(1)) < 1e-16);
    for (double x = 0x1p-53; x < 1e18; x *= 1.37) {
        assert_true(fabs(math_log(x) - log(x)) <= 4e-16 * (1 + fabs(log(x))));
    }
}

static void test_one_minus_exp(void **state)
{
    (void)state;
    assert_true(math_one_minus_exp(0) == 0);
    for (double x = 1e-12; x < 100; x *= 1.21) {
        double want = -expm1(-x);
        assert_true(fabs(math_one_minus_exp(x) - want) <= 1e-15 * want + 1e-30);
    }
}

/* The mean of a million gaps is rate within 0.5 % (their standard error is 0.1 %), and so is their
 * standard deviation, as an exponential's must be. */
static void test_gap_moments(void **state)
{
    (void)state;
    uint64_t random = sampler_seed(1, 0);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        double gap = (double)sampler_gap(&random, RATE);
        sum += gap;
        squares += gap * gap;
    }
    double mean = sum / DRAWS;
    double deviation = sqrt(squares / DRAWS - mean * mean);
    assert_true(fabs(mean / RATE - 1) < 0.005);
    assert_true(fabs(deviation / RATE - 1) < 0.005);
}

/* An object of s bytes is sampled with probability 1 − e^(−s/rate): within four deviations. */
static void test_probability(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 16, 1024, 100000, RATE, 4 * RATE};
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        uint64_t random = sampler_seed(2, k);
        double p = -expm1(-(double)sizes[k] / RATE);
        int hits = 0;
        for (int i = 0; i < DRAWS; i++) {
            hits += sizes[k] > sampler_gap(&random, RATE);
        }
        assert_true(fabs(hits - p * DRAWS) <= 4 * sqrt(DRAWS * p * (1 - p)) + 1);
    }
}

/* A million objects of mixed sizes through one countdown, each sampled one counted with its weight:
 * the estimate of their bytes is right within 0.5 %. */
static void test_estimate(void **state)
{
    (void)state;
    uint64_t random = sampler_seed(3, 0);
    uint64_t left = sampler_gap(&random, 4096);
    double truth = 0;
    double estimate = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t size = 16 + (uint64_t)i * 7919 % 8000;
        truth += (double)size;
        if (size > left) {
            estimate += (double)size * sampler_weight(size, 4096);
            left = sampler_gap(&random, 4096);
        } else {
            left -= size;
        }
    }
    assert_true(fabs(estimate / truth - 1) < 0.005);
}

static void test_rate_one(void **state)
{
    (void)state;
    uint64_t random = sampler_seed(4, 0);
    assert_true(sampler_gap(&random, 1) == 0);
    assert_true(sampler_gap(&random, 0) == 0);
    assert_true(sampler_weight(1, 1) == 1 && sampler_weight(1 << 20, 1) == 1);
    assert_true(sampler_weight(0, RATE) == sampler_weight(1, RATE));
}

static void test_seeds(void **state)
{
    (void)state;
    assert_true(sampler_seed(1, 0) == sampler_seed(1, 0));
    assert_true(sampler_seed(1, 0) != sampler_seed(1, 1));
    assert_true(sampler_seed(1, 0) != sampler_seed(2, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log),         cmocka_unit_test(test_one_minus_exp),
        cmocka_unit_test(test_gap_moments), cmocka_unit_test(test_probability),
        cmocka_unit_test(test_estimate),    cmocka_unit_test(test_rate_one),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
