/* SPDX-License-Identifier: MIT
 *
 * What an address is called that has no name: `libfoo.so.1!0x1234`.
 *
 * A location without any line vanishes from the stacks that some viewers show, and makes pprof look
 * for the binary. answer.c makes such names for what its symbols do not cover, batch.c for what
 * belongs to no readable module; profile_file.c knows them again, so that a later run can do
 * better.
 */
#ifndef ENCODER_SYMBOLIZE_SYNTHETIC_H
#define ENCODER_SYMBOLIZE_SYNTHETIC_H

#include "encoder/symbolize/module.h"

#include <limits.h>

enum { SYNTHETIC_SIZE = PATH_MAX + 32 };

/* `vaddr` as the module itself counts; of an unreadable one, the offset in the file. */
void synthetic_name(char name[SYNTHETIC_SIZE], const char *file, uint64_t vaddr);
bool synthetic_is(const char *name);

/* For a query that nobody has answered. 0 or -errno. */
int synthetic_put(struct answer_sink *sink, size_t index, const struct query *query);

#endif
