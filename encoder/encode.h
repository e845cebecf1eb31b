/* SPDX-License-Identifier: MIT
 *
 * A snapshot becomes bytes: profile.proto, gzip'ed, into a sink. The one door of this folder.
 * Called by preload/output/dump.c in the scribe (or, when no process can be had, in the signal
 * handler): no malloc, no stdio, no errno; memory straight from the kernel and given back, in
 * proportion to the distinct locations and not to the samples.
 */
#ifndef ENCODER_ENCODE_H
#define ENCODER_ENCODE_H

#include "collectors/snapshot.h"

/* Where encoded bytes go: 0 or -errno. After an error it is not called again. */
struct byte_sink {
    int (*write)(void *arg, const void *buf, size_t n);
    void *arg;
};

/* What the process has mapped, as read once for all profiles of a dump. */
struct maps;
/* main_phdr: AT_PHDR, an address inside the main program, whose mapping becomes number 1.
 * NULL when there is no memory. */
struct maps *maps_read(uintptr_t main_phdr);
/* Adds what had been unloaded before. False: no memory; then maps is good for maps_free alone. */
MUST_CHECK bool maps_add_past(struct maps *maps, const struct past_code *code, size_t n);
void maps_free(struct maps *maps);

/* Writes one profile. 0, or the first -errno of the sink or of memory. */
MUST_CHECK int encode(const struct snapshot *snap, const struct maps *maps,
                      const struct byte_sink *sink);

#endif
