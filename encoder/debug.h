/* SPDX-License-Identifier: MIT
 *
 * A snapshot as Go's text: debug=1, the legacy format that `go tool pprof` also reads, and debug=2,
 * threads as a crash report shows them. Addresses stand alone on their lines; pprof-symbolize puts
 * the names beside them. Called by preload/output/dump.c and preload/output/errand.c, in the scribe
 * or its like: no malloc, no stdio, no errno; memory from the kernel.
 *
 * The format, line by line, with addresses as the stacks hold them (return addresses) behind '@'
 * and one less, inside the call, behind '#':
 *
 *   heap, allocs   heap profile: N: B [N: B] @ heap/RATE2        in use [allocated], RATE2 = 2 ×
 * rate N: B [N: B] @ 0x… 0x…                         as sampled, not scaled block          ---
 * contention:                               nanoseconds, for 10⁹ cycles are a
 *                  cycles/second=1000000000                      second; already scaled
 *                  NS COUNT @ 0x… 0x…
 *   mutex          the same with "--- mutex:" and "sampling period=1"
 *   others         NAME profile: total N
 *                  COUNT @ 0x… 0x…
 *                  # labels: {"k":"v", …}
 *   each stack     #⇥0x…                                         a line a frame, and an empty one
 *   at the end     --- Memory map: ---
 *                  START-END r-xp FILE (@OFFSET) BUILDID
 *
 *   debug=2        thread TID "NAME" [STATE, N minutes]:
 *                  0x…⏎⇥FILE+0x…                                 a frame
 *                  created by 0x…⏎⇥FILE+0x…
 */
#ifndef ENCODER_DEBUG_H
#define ENCODER_DEBUG_H

#include "collectors/snapshot.h"
#include "encoder/sink.h"

struct maps;

/* 0, or the first -errno of the sink or of memory. */
MUST_CHECK int encode_debug1(const struct snapshot *snap, const struct maps *maps,
                             const struct byte_sink *sink);
MUST_CHECK int encode_debug2(const struct snapshot *snap, const struct maps *maps,
                             const struct byte_sink *sink);

#endif
