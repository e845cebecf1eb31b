/* SPDX-License-Identifier: MIT
 *
 * Names of code that a just-in-time compiler has made, from /tmp/perf-PID.map.
 *
 * Called by batch.c for addresses that no module has named.
 */
#ifndef ENCODER_SYMBOLIZE_PERFMAP_H
#define ENCODER_SYMBOLIZE_PERFMAP_H

#include "encoder/symbolize/module.h"

/* Sorts the queries by address, and puts an answer for each one that the file perf-<map>.map
 * covers, in the /tmp that process `pid` sees (0 = not known) or in this process's. `map` is the
 * number that the profiled process has for itself; `pid` may be another process beside it. 0, also
 * if there is no such file, or -errno. */
int perfmap_resolve(pid_t pid, pid_t map, struct query *queries, size_t n,
                    struct answer_sink *sink);

#endif
