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
#include "encoder/sink.h"

struct maps;

/* Writes one profile. maps (maps.h) may be NULL: no location has a mapping then. 0, or the first
 * -errno of the sink or of memory. */
MUST_CHECK int encode(const struct snapshot *snap, const struct maps *maps,
                      const struct byte_sink *sink);

#endif
