/* SPDX-License-Identifier: MIT
 *
 * The flags of a profile's mappings, once all answers are in.
 *
 * Called by batch.c between the answers and the writing.
 */
#ifndef ENCODER_SYMBOLIZE_FINISH_H
#define ENCODER_SYMBOLIZE_FINISH_H

#include "encoder/symbolize/names.h"
#include "encoder/symbolize/profile_file.h"

/* Drops answers that are no better than what the file had, and sets each mapping's flags and the
 * profile's `named`. 0 or -ENOMEM. */
int finish_profile(struct profile *profile, const struct names *names);

#endif
