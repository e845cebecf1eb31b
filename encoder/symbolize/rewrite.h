/* SPDX-License-Identifier: MIT
 *
 * Pass 2, the profile written whole again with what was found.
 *
 * Called by batch.c after finish_profile. Both descriptors stay the caller's.
 */
#ifndef ENCODER_SYMBOLIZE_REWRITE_H
#define ENCODER_SYMBOLIZE_REWRITE_H

#include "encoder/symbolize/names.h"
#include "encoder/symbolize/profile_file.h"

/* Reads `in` once more, the same file that `profile` was loaded from. 0 or -errno; -EBUSY: it has
 * changed meanwhile. */
int rewrite_profile(const struct profile *profile, const struct names *names, int in, int out);

#endif
