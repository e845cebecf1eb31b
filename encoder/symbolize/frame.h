/* SPDX-License-Identifier: MIT
 *
 * What a module's reader answers for one address: made by answer.c, sent by worker.c, kept by
 * names.c.
 *
 * The strings belong to the function that passes the frame on and are valid until its call returns.
 */
#ifndef ENCODER_SYMBOLIZE_FRAME_H
#define ENCODER_SYMBOLIZE_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { FRAMES_MAX = 255 }; /* of one address; real programs have far fewer inlined calls */

struct frame {
    const char *name;        /* demangled, without parameters */
    const char *system_name; /* as in the symbol table */
    const char *file;        /* "" = not known */
    uint64_t line;           /* 0 = not known */
    uint64_t start_line;     /* of the function, in the same file; 0 = not known */
    uint32_t offset;         /* of the address from the beginning of the outermost function */
};

enum answer_kind {
    ANSWER_NONE,      /* no answer yet */
    ANSWER_SYNTHETIC, /* lib_so!0x1234: where the function begins as its name */
    ANSWER_SYMBOL,    /* a function, from a symbol table */
    ANSWER_DWARF,     /* from debug information: lines and inlined calls are complete */
};

/* Where a module's answers go. put: `query` is the index in the module's queries, frames begin with
 * the innermost; a second answer to a query replaces the first. flush: returns when all answers
 * have reached the process that called worker_resolve. Both return 0 or -errno. */
struct answer_sink {
    int (*put)(struct answer_sink *sink, size_t query, enum answer_kind kind,
               const struct frame *frames, size_t n);
    int (*flush)(struct answer_sink *sink);
};

#endif
