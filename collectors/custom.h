/* SPDX-License-Identifier: MIT
 *
 * The profiles that the program makes and keeps itself: entries that it adds and removes, each a
 * key of its own and the stack that added it. Called by preload/api/api.c in any thread, also in
 * the program's signal handlers: signals are blocked while a lock is held, some 50 ns.
 */
#ifndef COLLECTORS_CUSTOM_H
#define COLLECTORS_CUSTOM_H

#include "collectors/kind.h"

/* A new profile, which is never freed. 0; -EEXIST: there is one of this name; -ENOMEM. The name is
 * copied. Does not look at the predefined ones. */
MUST_CHECK int custom_new(const char *name, const struct kind **made);

/* Calls visit on every profile, the newest first, until it returns false. Reads while others make
 * new ones; SIGNAL_SAFE. */
void custom_each(bool (*visit)(const struct kind *k, void *arg), void *arg);

/* Is this one of them? Any value may be asked for. */
bool custom_is(const struct kind *k);

/* 0; -EEXIST: the key is in; -ENOMEM. */
MUST_CHECK int custom_add(const struct kind *k, const void *key, const struct stack *stack);
/* Nothing if the key is not in. */
void custom_remove(const struct kind *k, const void *key);
/* Entries. */
long custom_count(const struct kind *k);

/* Samples into *out (sys_map'ed, *bytes long); how many. */
size_t custom_snapshot(const struct kind *k, struct snapshot_sample **out, size_t *bytes);

/* In a forked child: it has its parent's entries; locks of threads that are not here are dropped.
 */
void custom_fork_child(void);

#endif
