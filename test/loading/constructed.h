/* SPDX-License-Identifier: MIT
 *
 * What the program constructed.c and its library constructors.c know of each other.
 */
#ifndef TEST_LOADING_CONSTRUCTED_H
#define TEST_LOADING_CONSTRUCTED_H

#include <stddef.h>

/* Enters requests of the program's into the record that the library prints. */
void constructed_record(const char *site, size_t size, long count, long kept);

#endif
