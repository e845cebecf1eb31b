/* SPDX-License-Identifier: MIT
 *
 * Synthetic names, `libfoo_so_1!0x1234`, for functions that no table names.
 *
 * Some viewers leave a location without a line out of stacks, and pprof looks for its binary. The
 * name is the module's, and where in it the function begins. It has no dot: in the graph of `go
 * tool pprof` each dot begins a new line, since Go and Java put dots between packages, and its
 * flame graph takes what stands before the first one for a package. The system name keeps the
 * module's dots.
 *
 * answer.c makes such names for addresses that no symbol covers, batch.c for those of modules that
 * cannot be read. profile_file.c recognises them, so that a later run can replace them.
 */
#ifndef ENCODER_SYMBOLIZE_SYNTHETIC_H
#define ENCODER_SYMBOLIZE_SYNTHETIC_H

#include "encoder/symbolize/module.h"

#include <stdbool.h>

bool synthetic_is(const char *name);

/* Puts the name of the function that begins at `start` as the answer to a query, whose address is
 * `offset` bytes behind it. start is in the module's own counting. 0 or -errno. */
int synthetic_put_function(struct answer_sink *sink, size_t index, const char *file, uint64_t start,
                           uint64_t offset);

/* The same for an address of a module that cannot be read, or of no module. Nothing says where its
 * functions begin, so the name has the address itself: its offset in the file, or, of no mapping,
 * as it is. */
int synthetic_put(struct answer_sink *sink, size_t index, const struct query *query);

#endif
