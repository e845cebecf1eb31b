/* SPDX-License-Identifier: MIT
 *
 * The table of the predefined profiles: one row each. To add a profile, write its collector (a file
 * that fills in a struct collector) and add its NAME and its row to collectors/kinds.c; nothing
 * else lists them. Written in the constructor alone.
 */
#ifndef COLLECTORS_KINDS_H
#define COLLECTORS_KINDS_H

#include "collectors/kind.h"

extern struct kind kinds[];
extern const size_t kinds_count;

/* The row of a profile's name, or NULL. */
struct kind *kinds_find(const char *name, size_t len);

/* Is this a row of the table? Any value may be asked for. */
bool kinds_has(const struct kind *k);

/* Does any enabled profile need this (enum collector_needs)? */
bool kinds_need(uint32_t needs);

/* Starts every collector, in the order of the table. Constructor only, after kinds[].enabled is
 * decided, threads_start(), stack_start() and labels_start(), and the signal's handler. */
void kinds_start(const struct collector_settings *settings);

/* Stops them, for good. Any thread. */
void kinds_stop(void);

/* In a forked child, its parent's nth: the collectors in the order of the table, then the profiles
 * of the program's own. Our signals are blocked. */
void kinds_fork_child(uint64_t nth);

/* The samples of any profile; threads: what allthreads_take() has found for this dump, or NULL. An
 * empty array where the profile is not enabled. */
size_t kind_snapshot(const struct kind *k, const struct allthreads *threads,
                     struct snapshot_sample **out, size_t *bytes);

/* What Go's Count says: live threads, threads ever made, entries, or distinct stacks. In a thread
 * of the program. */
long kind_count(const struct kind *k);

#endif
