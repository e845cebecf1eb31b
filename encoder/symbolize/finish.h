/* finish.h: what a profile may say about itself once all answers are in.
 *
 * Called by batch.c between the answers and the writing.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PPROFINJECT_SYMBOLIZE_FINISH_H
#define PPROFINJECT_SYMBOLIZE_FINISH_H

#include "names.h"
#include "profile.h"

/* Drops what is no better than what was there, sets the flags of each mapping and `named`. */
int finish_profile(struct profile *profile, const struct names *names);

#endif
