/* SPDX-License-Identifier: MIT
 *
 * A symbol's name as a person would write it in the source.
 *
 * Called by answer.c and die_name.c for each name they find.
 */
#ifndef ENCODER_SYMBOLIZE_DEMANGLE_H
#define ENCODER_SYMBOLIZE_DEMANGLE_H

#include <stdbool.h>

/* The name without parameters, but with template arguments; without symbol version and without the
 * suffix of a compiler's clone (.cold, .part.0), so that a function has the same name with and
 * without debug information. Knows C++, Rust and D, and Ada if `ada` is true. NULL: no memory. The
 * caller frees it. */
char *demangle_name(const char *symbol, bool ada);

/* Whether the symbol is mangled, so that it holds scopes and not only a bare name. */
bool demangle_is_mangled(const char *symbol);

#endif
