/* SPDX-License-Identifier: MIT
 *
 * A shared object mapped for our own use: not through the dynamic linker, and therefore at any
 * moment, also in a signal handler under malloc, without its locks, invisible to the program's
 * symbol look-ups and its dl_iterate_phdr, and apart from a copy of the same library that the
 * program may use. Its imports are what its user gives it. For position-independent objects
 * that need no constructor run: libunwind is one.
 */
#ifndef COLLECTORS_RULES_IMAGE_H
#define COLLECTORS_RULES_IMAGE_H

#include "collectors/base/abi.h"

struct image {
    char *base;
    size_t bytes;
    const void *symbols; /* ElfW(Sym)[symbol_count] */
    const char *strings;
    size_t symbol_count;
};

struct import {
    const char *name;
    void *to;
};

/* Maps the file at path and binds its undefined symbols to the list; what is not in it goes to
 * `otherwise`. 0 or -errno; nothing stays mapped then. SIGNAL_SAFE. */
SIGNAL_SAFE int image_map(struct image *image, const char *path, const struct import *imports,
                          size_t n, void *otherwise);

/* The address of a symbol that the image defines; NULL if it does not. SIGNAL_SAFE. */
SIGNAL_SAFE void *image_symbol(const struct image *image, const char *name);

#endif
