/* SPDX-License-Identifier: MIT
 *
 * Label sets: what samples are told apart by beside their stack. A set never changes once it can be
 * seen. It lives as long as somebody holds a reference: the program's contexts, and each thread the
 * set that it carries; so a signal handler may read its thread's at any instant. What outlives all
 * of them, a bucket of a profile, holds the kept copy, one for each distinct content.
 *
 * Every struct labels that is passed in here was made here.
 */
#ifndef COLLECTORS_LABELS_H
#define COLLECTORS_LABELS_H

#include "collectors/base/self.h"
#include "collectors/snapshot.h"
#include "collectors/threads/labels_pool.h"

struct labels_set {
    struct labels_block block;
    const struct labels *kept; /* NULL = not asked for yet */
    struct labels labels;
};

static inline struct labels_set *labels_set_of(const struct labels *l)
{
    return (struct labels_set *)((uintptr_t)l - offsetof(struct labels_set, labels)); /* NOLINT */
}

SIGNAL_SAFE static inline const struct labels *labels_ref(const struct labels *l)
{
    if (l) {
        ADD(&labels_set_of(l)->block.refs, 1);
    }
    return l;
}

SIGNAL_SAFE static inline void labels_unref(const struct labels *l)
{
    if (l && __atomic_sub_fetch(&labels_set_of(l)->block.refs, 1, __ATOMIC_ACQ_REL) == 0) {
        labels_pool_give_back(&labels_set_of(l)->block);
    }
}

/* The set of n pairs, copied and sorted by key, of equal keys the last; bytes that are no UTF-8
 * become '?', because readers of profiles refuse them. Keys and values are not empty. The one
 * reference is the caller's. NULL: no memory, or more than LABELS_BYTES_MAX. */
SIGNAL_SAFE const struct labels *labels_new(const struct label *pair, size_t n);

/* The set of under's pairs and over's, which win; either may be NULL. Likewise. */
SIGNAL_SAFE const struct labels *labels_merged(const struct labels *under,
                                               const struct labels *over);

/* The value of a key; NULL = absent. */
SIGNAL_SAFE const char *labels_value(const struct labels *l, const char *key);

/* The copy that stays for ever; NULL for none, and when there is no memory for it. */
SIGNAL_SAFE const struct labels *labels_keep(const struct labels *l);

/* The calling thread carries this set from now on, by a reference of its own. */
SIGNAL_SAFE void labels_carry(const struct labels *l);
/* The thread ends. */
void labels_drop(void);

/* What another thread carries, with a reference for the caller; NULL = none. Its row may change
 * hands meanwhile. */
SIGNAL_SAFE const struct labels *labels_of_thread(struct thread *t);

/* Reads "k=v,…" into a set that is never freed. False: not of that form, an empty key or value, or
 * no memory. Constructor only. */
MUST_CHECK bool labels_read(const char *text, const struct labels **set);

/* The set of PPROF_LABELS: the first thread's, and that of threads whose creator is unknown. NULL =
 * none. */
void labels_start(const struct labels *set);
SIGNAL_SAFE const struct labels *labels_of_process(void);

#endif
