/* SPDX-License-Identifier: MIT
 *
 * Names by libiberty; see demangle.h.
 *
 * The options are DMGL_NO_OPTS. Without DMGL_PARAMS the parameters and the return type of the
 * function itself are left out; template arguments stay, and so do the parameters of a function
 * that a lambda or a local class is named after. Without DMGL_VERBOSE Rust names lose their hash.
 * libiberty has no such option for D: there the last pair of parentheses is cut here.
 */
#include "encoder/symbolize/demangle.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

enum { SYMBOL_MAX = 32768 }; /* longer ones are shown as they are */

/* Suffixes that GCC and LLVM give to a copy or a piece of a function; some end in a number. */
static const char *const clones[] = {
    ".cold", ".part", ".isra", ".constprop", ".lto_priv", ".localalias", ".llvm", ".__uniq",
};

static bool demangle_is_number(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i])) {
            return false;
        }
    }
    return len > 0;
}

/* Length of the symbol without its version and its clone suffixes. */
static size_t demangle_stem(const char *symbol)
{
    const char *version = strchr(symbol + 1, '@');
    size_t len = version ? (size_t)(version - symbol) : strlen(symbol);
    for (;;) {
        size_t dot = len, end = len;
        while (dot > 1 && symbol[dot - 1] != '.') {
            dot--;
        }
        if (dot <= 1) {
            return len;
        }
        if (demangle_is_number(symbol + dot,
                               len - dot)) { /* the suffix word is before the number */
            end = --dot;
            while (dot > 1 && symbol[dot - 1] != '.') {
                dot--;
            }
            if (dot <= 1) {
                return len;
            }
        }
        bool known = false;
        for (size_t i = 0; i < sizeof clones / sizeof *clones && !known; i++) {
            known = strlen(clones[i]) == end - dot + 1 &&
                    memcmp(clones[i], symbol + dot - 1, end - dot + 1) == 0;
        }
        if (!known) {
            return len;
        }
        len = dot - 1;
    }
}

bool demangle_is_mangled(const char *symbol)
{
    return strncmp(symbol, "_Z", 2) == 0 || strncmp(symbol, "__Z", 3) == 0 ||
           (symbol[0] == '_' && symbol[1] == 'R' && symbol[2]) ||
           (symbol[0] == '_' && symbol[1] == 'D' && isdigit((unsigned char)symbol[2]));
}

/* "a.b(int).c(char)" → "a.b(int).c" */
static void demangle_drop_parameters(char *name)
{
    size_t len = strlen(name);
    int depth = 0;
    if (len == 0 || name[len - 1] != ')') {
        return;
    }
    for (size_t i = len; i-- > 1;) {
        depth += name[i] == ')';
        depth -= name[i] == '(';
        if (depth == 0) {
            name[i] = '\0';
            return;
        }
    }
}

char *demangle_name(const char *symbol, bool ada)
{
    size_t len = symbol[0] ? demangle_stem(symbol) : 0;
    char *stem = strndup(symbol, len), *name = NULL;
    if (!stem || len > SYMBOL_MAX) {
        return stem;
    }
    if (ada) {
        name = cplus_demangle(stem, DMGL_GNAT);
    } else if (stem[0] == '_' && stem[1] == 'D' && isdigit((unsigned char)stem[2])) {
        name = cplus_demangle(stem, DMGL_DLANG);
    } else if (demangle_is_mangled(stem)) {
        name = cplus_demangle(stem, DMGL_NO_OPTS);
    }
    if (!name || !*name) {
        free(name);
        return stem;
    }
    if (stem[1] == 'D' && !ada) {
        demangle_drop_parameters(name);
    }
    free(stem);
    return name;
}
