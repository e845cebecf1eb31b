/* SPDX-License-Identifier: MIT
 *
 * A symbol as a person would write it.
 *
 * Called by answer.c and die_name.c for each name they find.
 */
#ifndef ENCODER_SYMBOLIZE_DEMANGLE_H
#define ENCODER_SYMBOLIZE_DEMANGLE_H

#include <stdbool.h>

/* The name without parameters, but with template arguments; without symbol version and without the
 * suffix of a compiler's clone (.cold, .part.0), so that a function has the same name with and
 * without debug information. C++, Rust, D; with `ada` also that. NULL only without memory; the
 * caller frees it. */
char *demangle_name(const char *symbol, bool ada);

/* Does it look mangled, so that it says more than a bare name? */
bool demangle_is_mangled(const char *symbol);

#endif
