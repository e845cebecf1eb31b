/* SPDX-License-Identifier: MIT
 *
 * A snapshot becomes bytes: profile.proto, gzip'ed, into a sink. The one door of this folder.
 * Called by preload/output in the scribe or, when no process can be made, in the signal handler: no
 * malloc, no stdio, no errno. Memory comes from mmap and is given back before the return; it grows
 * with the number of distinct locations, not of samples.
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
