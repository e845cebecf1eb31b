/* SPDX-License-Identifier: MIT
 *
 * Which bytes are sampled, and what a sample stands for. Let the allocated bytes be a line on which
 * sample points lie at exponentially distributed distances of mean `rate`. An object is sampled
 * when a point falls on it, which for an object of s bytes has the probability 1 − e^(−s/rate),
 * whatever was allocated before. So a sampled object stands for 1/(1 − e^(−s/rate)) objects of its
 * size; the derivation is in doc/heap.md. Pure functions of their arguments; those that compute
 * with doubles are called between arch_float_enter() and arch_float_leave(). SIGNAL_SAFE.
 */
#ifndef COLLECTORS_SAMPLER_H
#define COLLECTORS_SAMPLER_H

#include "collectors/base/abi.h"

/* The nth of the seeds that are derived from one; never 0. */
SIGNAL_SAFE uint64_t sampler_seed(uint64_t seed, uint64_t nth);

/* The next 64 random bits of a generator (xorshift64*), whose state is not 0. */
SIGNAL_SAFE static inline uint64_t sampler_random(uint64_t *state)
{
    uint64_t x = *state; /* Vigna 2016, "An experimental exploration of Marsaglia's xorshift" */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL;
}

/* Whole bytes to the next sample point: the next object is sampled if it has more bytes (one of 0
 * bytes never is). 0 at rates of 1 and below: every object is sampled. */
SIGNAL_SAFE uint64_t sampler_gap(uint64_t *state, uint64_t rate);

/* How many objects a sampled object of `size` bytes stands for; exactly 1 at rates of 1 and below.
 */
SIGNAL_SAFE double sampler_weight(uint64_t size, uint64_t rate);

#endif
