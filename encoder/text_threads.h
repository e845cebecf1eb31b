/* SPDX-License-Identifier: MIT
 *
 * A snapshot's threads as a crash report shows them: debug=2 of the goroutine profile. Called by
 * preload/output in place of encode(), in the scribe or a process like it: no malloc, no stdio, no
 * errno. The format:
 *
 *   thread TID "NAME" [STATE, N minutes]:
 *   0x…⏎⇥FILE+0x…                           a frame; pprof-symbolize puts the names there
 *   created by 0x…⏎⇥FILE+0x…
 *   --- Memory map: ---                     at the end, as in text_samples.h
 */
#ifndef ENCODER_TEXT_THREADS_H
#define ENCODER_TEXT_THREADS_H

#include "collectors/snapshot.h"
#include "encoder/sink.h"

struct maps;

/* maps may be NULL: frames then have an address and no file. 0, or the first -errno of the sink. */
MUST_CHECK int text_threads_write(const struct snapshot *snap, const struct maps *maps,
                                  const struct byte_sink *sink);

#endif
