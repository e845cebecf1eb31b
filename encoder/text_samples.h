/* SPDX-License-Identifier: MIT
 *
 * A snapshot's samples as Go's text debug=1, the legacy format that `go tool pprof` also reads.
 * Addresses stand alone on their lines; pprof-symbolize puts the names beside them. Called by
 * preload/output in place of encode(), in the scribe or a process like it: no malloc, no stdio, no
 * errno; memory from the kernel.
 *
 * The format. The addresses behind '@' are return addresses, as stacks hold them; those behind '#'
 * are one less, inside the call.
 *
 *   heap, allocs    heap profile: N: B [N: B] @ heap/RATE2       RATE2 is 2 × the sampling rate
 *                   N: B [N: B] @ 0x… 0x…                        in use [allocated], as sampled:
 *                                                                the reader scales
 *   block           --- contention:
 *                   cycles/second=1000000000                     a cycle is a nanosecond
 *                   NS COUNT @ 0x… 0x…                           already scaled
 *   mutex           the same with "--- mutex:" and "sampling period=1"
 *   others          NAME profile: total N
 *                   COUNT @ 0x… 0x…
 *                   # labels: {"k":"v", …}
 *   each stack      #⇥0x…                                        a line a frame, and an empty one
 *   at the end      --- Memory map: ---
 *                   START-END r-xp FILE (@OFFSET) BUILDID
 */
#ifndef ENCODER_TEXT_SAMPLES_H
#define ENCODER_TEXT_SAMPLES_H

#include "collectors/snapshot.h"
#include "encoder/sink.h"

struct maps;

/* maps may be NULL: the memory map is then empty. 0, or the first -errno of the sink or of memory.
 */
MUST_CHECK int text_samples_write(const struct snapshot *snap, const struct maps *maps,
                                  const struct byte_sink *sink);

#endif
