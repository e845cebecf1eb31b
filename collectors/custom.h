/* SPDX-License-Identifier: MIT
 *
 * The profiles that the program makes and keeps itself: entries that it adds and removes, each of
 * them a key that the program chooses and the stack that added it. Called by preload/api/api.c in
 * any thread, also in the program's signal handlers. Locks: LOCK_CUSTOM, held for some 50 ns with
 * signals blocked.
 */
#ifndef COLLECTORS_CUSTOM_H
#define COLLECTORS_CUSTOM_H

#include "collectors/kind.h"

/* Makes a profile, which is never freed. The name is copied; the caller has seen to it that it is
 * none of collectors/kinds.c. 0; -EEXIST: there is a profile of this name here; -ENOMEM. */
MUST_CHECK int custom_new(const char *name, const struct kind **made);

/* Calls visit on every profile, the newest first, until it returns false. Other threads may make
 * profiles meanwhile; SIGNAL_SAFE. */
void custom_each(bool (*visit)(const struct kind *k, void *arg), void *arg);

/* Is this a profile of this file? Any value may be asked about, also one that is no pointer. */
bool custom_is(const struct kind *k);

/* Adds an entry. stack: NULL where there was no memory for it. 0; -EEXIST: the profile has an entry
 * with this key; -ENOMEM. */
MUST_CHECK int custom_add(const struct kind *k, const void *key, const struct stack *stack);
/* Removes the entry with this key, if there is one. */
void custom_remove(const struct kind *k, const void *key);
/* How many entries the profile has. */
long custom_count(const struct kind *k);

/* Samples into *out (sys_map'ed, *bytes long); how many. Runs in the scribe, while the program goes
 * on. */
size_t custom_snapshot(const struct kind *k, struct snapshot_sample **out, size_t *bytes);

/* In a forked child, which keeps its parent's entries: drops the locks that threads of the parent
 * held, and repairs the counts that they were changing. */
void custom_fork_child(void);

#endif
