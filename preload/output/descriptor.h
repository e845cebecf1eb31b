/* SPDX-License-Identifier: MIT
 *
 * A sink (request.h) that is a descriptor of the program's. What comes is collected first and
 * written when it is whole, so a profile that fails leaves nothing in the descriptor. With names,
 * it goes through the symboliser on the way, which takes memory files (memfd) and is possible only
 * in a process whose table of descriptors is its own; where that fails it is written without.
 */
#ifndef PRELOAD_DESCRIPTOR_H
#define PRELOAD_DESCRIPTOR_H

#include "encoder/buffer.h"
#include "preload/output/request.h"

struct descriptor {
    struct sink sink;
    int fd;
    bool names;
    /* Its own. */
    const struct maps *maps;
    int raw, named; /* memory files; raw -1 = it is collected in `memory` */
    struct buffer memory;
    size_t used;
};

void descriptor_init(struct descriptor *d, int fd, bool names);

#endif
