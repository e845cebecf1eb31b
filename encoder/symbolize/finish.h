/* SPDX-License-Identifier: MIT
 *
 * What a profile may say about itself once all answers are in.
 *
 * Called by batch.c between the answers and the writing.
 */
#ifndef ENCODER_SYMBOLIZE_FINISH_H
#define ENCODER_SYMBOLIZE_FINISH_H

#include "encoder/symbolize/names.h"
#include "encoder/symbolize/profile_file.h"

/* Drops what is no better than what was there, sets the flags of each mapping and `named`. */
int finish_profile(struct profile *profile, const struct names *names);

#endif
