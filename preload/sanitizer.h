/* SPDX-License-Identifier: MIT
 *
 * Programs built with AddressSanitizer and its like replace malloc and the threads' functions
 * themselves, and must be the only ones to do so: this library then stands down.
 */
#ifndef PRELOAD_SANITIZER_H
#define PRELOAD_SANITIZER_H

#include <stdbool.h>

/* Is the run-time of one in the process? Constructor only. */
bool sanitizer_is_there(void);

#endif
