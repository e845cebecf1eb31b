/* SPDX-License-Identifier: MIT
 *
 * See sampler.h. Called on sampled events only.
 */
#include "collectors/tables/sampler.h"

#include "collectors/base/hash.h"
#include "collectors/base/math.h"

uint64_t sampler_seed(uint64_t seed, uint64_t nth)
{
    uint64_t s = hash_mix(hash_mix(seed) + nth);
    return s ? s : 1;
}

uint64_t sampler_gap(uint64_t *state, uint64_t rate)
{
    if (rate <= 1) {
        return 0;
    }
    /* u in (0, 1], 53 bits. The floor of an exponential variable is what makes the test n > gap
     * true with probability 1 − e^(−n/rate) exactly for whole n. */
    double u = (double)((sampler_random(state) >> 11) + 1) * 0x1p-53;
    return (uint64_t)(-math_log(u) * (double)rate);
}

double sampler_weight(uint64_t size, uint64_t rate)
{
    if (rate <= 1) {
        return 1;
    }
    size = size ? size : 1;
    return 1 / math_one_minus_exp((double)size / (double)rate);
}
