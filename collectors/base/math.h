/* SPDX-License-Identifier: MIT
 *
 * The two functions that sampling needs, so that the library does not depend on libm. Both are
 * right to a relative error of about 1e-15, leave rounding mode and errno alone, and are
 * SIGNAL_SAFE; the caller saves the program's floating-point state (arch_float_enter()).
 */
#ifndef BASE_MATH_H
#define BASE_MATH_H

#include "collectors/base/abi.h"

/* ln(x) for finite x > 0. */
SIGNAL_SAFE double math_log(double x);

/* 1 − e^(−x) for x >= 0, without the cancellation that the plain formula has near 0. */
SIGNAL_SAFE double math_one_minus_exp(double x);

#endif
