/* SPDX-License-Identifier: MIT
 *
 * Where encoded bytes go. The encoder calls a sink and does not know what is behind it; the caller
 * of the encoder supplies one: atomic_file_write for a file of a dump, a descriptor, or memory.
 *
 * Rules for write:
 *   - it takes all n bytes, or fails as a whole: 0, or -errno;
 *   - after it has failed, the encoder does not call it again for this profile;
 *   - it runs where the encoder runs, in the scribe or in a signal handler: no malloc, no stdio,
 *     no lock, and errno is left as it was.
 * buf belongs to the encoder and is valid during the call only.
 */
#ifndef ENCODER_SINK_H
#define ENCODER_SINK_H

#include <stddef.h>

struct byte_sink {
    int (*write)(void *arg, const void *buf, size_t n);
    void *arg; /* handed to write as it is */
};

#endif
