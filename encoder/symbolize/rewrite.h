/* SPDX-License-Identifier: MIT
 *
 * Pass 2: writes the whole profile again, with the names that were found.
 *
 * Called by batch.c after finish_profile. The caller closes both descriptors.
 */
#ifndef ENCODER_SYMBOLIZE_REWRITE_H
#define ENCODER_SYMBOLIZE_REWRITE_H

#include "encoder/symbolize/names.h"
#include "encoder/symbolize/profile_file.h"

/* Reads `in`, the file that `profile` was loaded from, once more, and writes `out`. 0 or -errno;
 * -EBUSY: the file has changed since it was loaded. */
int rewrite_profile(const struct profile *profile, const struct names *names, int in, int out);

#endif
