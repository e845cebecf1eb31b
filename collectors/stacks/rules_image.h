/* SPDX-License-Identifier: MIT
 *
 * A shared object that is mapped for our own use, not by the dynamic linker. So it can be mapped at
 * any moment, also in a signal handler inside malloc; the program's symbol look-ups and its
 * dl_iterate_phdr do not see it; and it is separate from a copy of the same library that the
 * program may use. Its undefined symbols are bound to a list that the caller gives. Only for
 * position-independent objects that need no constructor run: libunwind is one, and
 * rules_libunwind.c the caller.
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

/* Maps the file at path and binds its undefined symbols to the n imports; a symbol that is not
 * among them is bound to `otherwise`. 0, or -errno with nothing left mapped. SIGNAL_SAFE. */
SIGNAL_SAFE int image_map(struct image *image, const char *path, const struct import *imports,
                          size_t n, void *otherwise);

/* The address of a symbol that the image defines; NULL if it defines none of that name.
 * SIGNAL_SAFE. */
SIGNAL_SAFE void *image_symbol(const struct image *image, const char *name);

#endif
