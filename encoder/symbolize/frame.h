/* SPDX-License-Identifier: MIT
 *
 * What a module says about one address; the words between resolve.c, worker.c and names.c.
 *
 * The strings belong to whoever hands the frame over and live until that call returns.
 */
#ifndef ENCODER_SYMBOLIZE_FRAME_H
#define ENCODER_SYMBOLIZE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { FRAMES_MAX = 255 }; /* of one address; deeper inlining does not occur in earnest */

struct frame {
    const char *name;        /* demangled, without parameters */
    const char *system_name; /* as in the symbol table */
    const char *file;        /* "" = not known */
    uint64_t line;           /* 0 = not known */
    uint64_t start_line;     /* of the function, in the same file; 0 = not known */
    uint32_t offset;         /* of the address from the beginning of the outermost function */
};

enum answer_kind {
    ANSWER_NONE,      /* not looked at */
    ANSWER_SYNTHETIC, /* lib.so!0x1234: worth showing only beside real names */
    ANSWER_SYMBOL,    /* a function, from a symbol table */
    ANSWER_DWARF,     /* debug information was consulted: lines and inlined calls are complete */
};

/* Where a module's answers go. `query` counts in the module's queries; innermost frame first. A
 * second answer to one query replaces the first. flush: what has been put is where it belongs, not
 * in this process's memory. Both 0 or -errno. */
struct answer_sink {
    int (*put)(struct answer_sink *sink, size_t query, enum answer_kind kind,
               const struct frame *frames, size_t n);
    int (*flush)(struct answer_sink *sink);
};

#endif
