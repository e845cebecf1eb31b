/* SPDX-License-Identifier: MIT
 *
 * Label sets: what samples are told apart by beside their stack. A set never changes once another
 * thread can see it. It lives as long as there is a reference to it: the program's contexts hold
 * one each, and each thread one to the set that it carries, so that a signal handler may read its
 * thread's set at any instant. A bucket of a profile outlives all of them and holds the kept copy
 * instead, of which there is one for each distinct content.
 *
 * Every struct labels that is passed in here was made here. Locks: none but LOCK_LABELS, which is
 * only tried.
 */
#ifndef COLLECTORS_LABELS_H
#define COLLECTORS_LABELS_H

#include "collectors/base/self.h"
#include "collectors/snapshot.h"
#include "collectors/threads/labels_pool.h"

struct labels_set {
    struct labels_block block;
    const struct labels *kept; /* the copy of labels_keep(); NULL = not asked for yet */
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

/* A set of n pairs, copied and sorted by key; of equal keys the last pair. Bytes that are no UTF-8
 * become '?', because readers of profiles refuse them. Keys and values are not empty. The one
 * reference to the set is the caller's. NULL: no memory, or more than LABELS_BYTES_MAX. */
SIGNAL_SAFE const struct labels *labels_new(const struct label *pair, size_t n);

/* A set of the pairs of both; of equal keys that of `over`. Either may be NULL. Otherwise as
 * labels_new(). */
SIGNAL_SAFE const struct labels *labels_merged(const struct labels *under,
                                               const struct labels *over);

/* The value of a key; NULL = the set has no such key. */
SIGNAL_SAFE const char *labels_value(const struct labels *l, const char *key);

/* The copy of a set that is never freed; NULL for an empty set or none, and where there is no
 * memory. */
SIGNAL_SAFE const struct labels *labels_keep(const struct labels *l);

/* The same if there is one already, else NULL. */
SIGNAL_SAFE const struct labels *labels_kept(const struct labels *l);

/* The calling thread carries this set (NULL = none) from now on, with a reference of its own. */
SIGNAL_SAFE void labels_carry(const struct labels *l);
/* The calling thread ends: gives its references back. */
void labels_drop(void);

/* The set that another thread carries, with a reference for the caller; NULL = none. The row may be
 * given to yet another thread meanwhile. */
SIGNAL_SAFE const struct labels *labels_of_thread(struct thread *t);

/* The set that the calling thread carries, with a reference for the caller; that of the process
 * where the thread is not registered and carries none. NULL = none. For code that a handler may
 * interrupt which changes the thread's labels. */
SIGNAL_SAFE const struct labels *labels_of_self(void);

/* Reads "k=v,…" into a set that is never freed. False: not of that form, an empty key or value, or
 * no memory. Constructor only. */
MUST_CHECK bool labels_read(const char *text, const struct labels **set);

/* The set of PPROF_LABELS (NULL = none): the first thread carries it, and threads whose creator is
 * not known are taken to. */
void labels_start(const struct labels *set);
SIGNAL_SAFE const struct labels *labels_of_process(void);

#endif
