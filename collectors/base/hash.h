/* SPDX-License-Identifier: MIT
 *
 * The hash functions of every table of the library, each with its source. Pure; SIGNAL_SAFE.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "collectors/base/abi.h"

/* 2^32 and 2^64 divided by the golden ratio, odd: Fibonacci hashing (Knuth, The Art of Computer
 * Programming, volume 3, section 6.4). The product's high bits are the good ones. */
#define HASH_GOLDEN_32 0x9e3779b1U
#define HASH_GOLDEN_64 0x9e3779b97f4a7c15ULL

/* `bits` bits (1 to 32) of a key of 32. */
static inline uint32_t hash_bits(uint32_t key, int bits)
{
    return key * HASH_GOLDEN_32 >> (32 - bits);
}

/* 64 bits of a key of 64, the high ones as good as they get. */
static inline uint64_t hash_high(uint64_t key)
{
    return key * HASH_GOLDEN_64;
}

/* The two multipliers of splitmix64's finaliser (Steele, Lea, Flood 2014). */
#define HASH_MIX_1 0xbf58476d1ce4e5b9ULL
#define HASH_MIX_2 0x94d049bb133111ebULL

/* splitmix64's step: neighbouring inputs give unrelated outputs. */
static inline uint64_t hash_mix(uint64_t x)
{
    x += HASH_GOLDEN_64;
    x = (x ^ x >> 30) * HASH_MIX_1;
    x = (x ^ x >> 27) * HASH_MIX_2;
    return x ^ x >> 31;
}

/* Three words as one, low and high bits alike good: the multipliers of splitmix64 in turn. */
static inline uint64_t hash_words(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = a * HASH_GOLDEN_64;
    h = (h ^ h >> 32 ^ b) * HASH_MIX_1;
    h = (h ^ h >> 32 ^ c) * HASH_MIX_2;
    return h ^ h >> 32;
}

/* FNV-1a in its 64-bit variant (Fowler, Noll, Vo): from HASH_FNV_BEGIN, one byte after the other.
 * With whole words instead, the caller has to bring the product's high bits down in between. */
#define HASH_FNV_BEGIN 0xcbf29ce484222325ULL
static inline uint64_t hash_fnv(uint64_t h, uint64_t byte)
{
    return (h ^ byte) * 0x100000001b3ULL;
}

#endif
