/* SPDX-License-Identifier: MIT
 *
 * Names for the texts that the library writes, Go's debug=1 and debug=2.
 *
 * Called by batch.c in place of profile_file.h and rewrite.h. What the library leaves room for in
 * its text: a line that holds nothing but an address, "#\t0x…" (debug=1), "0x…" or "created by 0x…"
 * and the line below (debug=2). The memory map at the end says where addresses belong.
 */
#ifndef ENCODER_SYMBOLIZE_TEXT_PROFILE_H
#define ENCODER_SYMBOLIZE_TEXT_PROFILE_H

#include "encoder/symbolize/names.h"
#include "encoder/symbolize/profile_file.h"

bool text_profile_is(int fd);

/* Mappings, and each address as a location, sorted. 0 or -errno; then profile_file_free either way.
 */
int text_profile_load(struct profile *profile, int fd);

/* The text once more, with what was found. 0 or -errno. */
int text_profile_rewrite(const struct profile *profile, const struct names *names, int in, int out);

#endif
