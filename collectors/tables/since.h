/* SPDX-License-Identifier: MIT
 *
 * One consumer's memory for differences (PPROF_DELTA): what it was given of each profile so far, so
 * that the next time it is given what has changed. The memory is the consumer's and not
 * the profile's: two consumers that each have one do not see each other, in whatever order they
 * ask. Used by preload/output/request.c, in the process that writes; one thread at a time for one
 * struct since. Memory straight from the kernel.
 */
#ifndef COLLECTORS_SINCE_H
#define COLLECTORS_SINCE_H

#include "collectors/tables/delta.h"

/* All zero: the consumer was given nothing yet, so its first difference is everything. What is
 * pointed to is replaced as a whole, by one store, and given back afterwards: a fork at any instant
 * leaves the child something that since_forget() can take apart. */
struct since {
    struct since_list *list; /* NULL = no profile yet */
};

/* A difference on its way to the consumer. */
struct since_step {
    struct since *since;
    size_t at; /* in since->list */
    struct delta *now;
    int64_t duration;
    struct snapshot_sample *changed; /* sys_map'ed */
    size_t bytes;
};

/* Puts into *snap, instead of its samples and its duration, their differences from what the
 * consumer was given last; what is a state (struct profile_shape) stays whole. `profile` tells the
 * profiles apart and is never dereferenced. 0, and then since_end() must follow; -ENOMEM: *snap is
 * as before. */
MUST_CHECK int since_begin(struct since_step *step, struct since *since, const void *profile,
                           struct snapshot *snap);
/* delivered: the consumer has it, and the next difference is one from this snapshot. If not, the
 * next is one from the snapshot before, and holds this one's as well. The samples that
 * since_begin() put into the snapshot are gone. */
void since_end(struct since_step *step, bool delivered);

/* Forgets all, and gives the memory back. */
void since_forget(struct since *since);

#endif
