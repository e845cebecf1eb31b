/* SPDX-License-Identifier: MIT
 *
 * Names of code that a just-in-time compiler has made, from /tmp/perf-PID.map.
 *
 * Called by batch.c for addresses that no module has named.
 */
#ifndef ENCODER_SYMBOLIZE_PERFMAP_H
#define ENCODER_SYMBOLIZE_PERFMAP_H

#include "encoder/symbolize/module.h"

/* Sorts the queries by address, and puts an answer for each one that the map of process `pid`
 * covers. 0, also if there is no map, or -errno. */
int perfmap_resolve(pid_t pid, struct query *queries, size_t n, struct answer_sink *sink);

#endif
