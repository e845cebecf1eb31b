/* rewrite.h: pass 2, the profile written whole again with what was found.
 *
 * Called by batch.c after finish_profile. Both descriptors stay the caller's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_REWRITE_H
#define PPROFINJECT_SYMBOLIZE_REWRITE_H

#include "names.h"
#include "profile.h"

/* Reads `in` once more, the same file that `profile` was loaded from. 0 or -errno; -EBUSY: it has
 * changed meanwhile. */
int rewrite_profile(const struct profile *profile, const struct names *names, int in, int out);

#endif
