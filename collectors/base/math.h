/* SPDX-License-Identifier: MIT
 *
 * The two functions of sampling, here because libm would be a second library to depend on: both
 * are right to about 1e-15 relative, touch no rounding mode, no errno, and are SIGNAL_SAFE.
 */
#ifndef BASE_MATH_H
#define BASE_MATH_H

#include "collectors/base/abi.h"

/* ln(x) for finite x > 0. */
SIGNAL_SAFE double math_log(double x);

/* 1 − e^(−x) for x >= 0, without the cancellation that the plain formula has near 0. */
SIGNAL_SAFE double math_one_minus_exp(double x);

#endif
