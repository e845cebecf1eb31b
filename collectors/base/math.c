/* SPDX-License-Identifier: MIT
 *
 * See math.h. Both functions reduce their argument to a small one by its binary exponent, and then
 * sum a Taylor series that is long enough for the last bit of a double.
 */
#include "collectors/base/math.h"

#include <string.h>

#define LN2 0.693147180559945309417232121458

double math_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    bits = (bits & ~(2047ULL << 52)) | 1023ULL << 52;
    double m;
    memcpy(&m, &bits, sizeof m); /* 1 <= m < 2 */
    if (m > 1.41421356237309504880) {
        m /= 2;
        exponent++;
    }
    /* ln m = 2 artanh s, s = (m−1)/(m+1), |s| <= 0.1716: s^23/23 < 2^-63. */
    double s = (m - 1) / (m + 1);
    double sum = 0;
    for (int k = 21; k >= 1; k -= 2) {
        sum = sum * s * s + 1.0 / k;
    }
    return exponent * LN2 + 2 * s * sum;
}

/* 1 − e^(−x) for |x| <= 0.5: x − x²/2! + x³/3! − …, 18 terms. */
static double series(double x)
{
    double sum = 0;
    for (int k = 18; k >= 1; k--) {
        sum = x / k * (1 - sum);
    }
    return sum;
}

double math_one_minus_exp(double x)
{
    if (x > 40) { /* e^-40 < 2^-57 */
        return 1;
    }
    if (x <= 0.5) {
        return series(x);
    }
    /* e^(−x) = 2^(−k) e^(−r), x = k ln2 + r, |r| <= ln2 / 2. */
    int k = (int)(x / LN2 + 0.5);
    uint64_t bits = (uint64_t)(1023 - k) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return 1 - scale * (1 - series(x - k * LN2));
}
