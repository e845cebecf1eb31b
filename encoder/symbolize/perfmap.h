/* SPDX-License-Identifier: MIT
 *
 * Names of code that a just-in-time compiler made, from /tmp/perf-PID.map.
 *
 * Called by batch.c for addresses that no file could name.
 */
#ifndef ENCODER_SYMBOLIZE_PERFMAP_H
#define ENCODER_SYMBOLIZE_PERFMAP_H

#include "encoder/symbolize/module.h"

/* Puts an answer for each of the queries that the map of process `pid` covers; sorts them. 0, also
 * if there is no map, or -errno. */
int perfmap_resolve(pid_t pid, struct query *queries, size_t n, struct answer_sink *sink);

#endif
