/* SPDX-License-Identifier: MIT
 *
 * Synthetic names, `libfoo.so.1!0x1234`, for addresses that have no other.
 *
 * Some viewers leave a location without a line out of stacks, and pprof looks for its binary.
 * answer.c makes such names for addresses that no symbol covers, batch.c for those of modules that
 * cannot be read. profile_file.c recognises them, so that a later run can replace them.
 */
#ifndef ENCODER_SYMBOLIZE_SYNTHETIC_H
#define ENCODER_SYMBOLIZE_SYNTHETIC_H

#include "encoder/symbolize/module.h"

#include <limits.h>

enum { SYNTHETIC_SIZE = PATH_MAX + 32 };

/* Makes the name from a module's path and an address. `vaddr` is in the module's own counting; for
 * a module that cannot be read it is the offset in the file. */
void synthetic_name(char name[SYNTHETIC_SIZE], const char *file, uint64_t vaddr);
bool synthetic_is(const char *name);

/* Puts the synthetic name as the answer to a query. 0 or -errno. */
int synthetic_put(struct answer_sink *sink, size_t index, const struct query *query);

#endif
