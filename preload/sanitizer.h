/* SPDX-License-Identifier: MIT
 *
 * The runtime of AddressSanitizer, and of its like, replaces malloc and the functions of threads
 * itself, and does not work with another library that does so too. In such a program this library
 * profiles nothing.
 */
#ifndef PRELOAD_SANITIZER_H
#define PRELOAD_SANITIZER_H

#include <stdbool.h>

/* Is a sanitizer's runtime in the process? Constructor only. */
bool sanitizer_is_there(void);

#endif
