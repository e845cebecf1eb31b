/* SPDX-License-Identifier: MIT
 *
 * Gives names to the texts that the library writes, Go's debug=1 and debug=2
 * (encoder/text_samples.h and text_threads.h).
 *
 * Called by batch.c in place of profile_file.h and rewrite.h. A name replaces a line that holds
 * nothing but an address: "#\t0x…" in debug=1; "0x…" or "created by 0x…" with the line below in
 * debug=2. The memory map at the end tells the module of each address.
 */
#ifndef ENCODER_SYMBOLIZE_TEXT_PROFILE_H
#define ENCODER_SYMBOLIZE_TEXT_PROFILE_H

#include "encoder/symbolize/names.h"
#include "encoder/symbolize/profile_file.h"

bool text_profile_is(int fd);

/* Reads the mappings, and each distinct address as a location, sorted by address. 0 or -errno;
 * profile_file_free is to be called either way.
 */
int text_profile_load(struct profile *profile, int fd);

/* Copies the text from `in` to `out` with the names that were found. 0 or -errno. */
int text_profile_rewrite(const struct profile *profile, const struct names *names, int in, int out);

#endif
