/* SPDX-License-Identifier: MIT
 *
 * Label sets: what samples are told apart by beside their stack. A set never changes once it can be
 * seen, so a signal handler may read the thread's at any instant.
 */
#ifndef COLLECTORS_LABELS_H
#define COLLECTORS_LABELS_H

#include "collectors/snapshot.h"

/* Reads "k=v,…" into a set, sorted by key, that is never freed; of equal keys the last one counts.
 * False: not of that form, an empty key or value, or no memory. Constructor only. */
MUST_CHECK bool labels_read(const char *text, const struct labels **set);

/* The set of PPROF_LABELS: the first thread's, and that of threads whose creator is unknown. NULL =
 * none. */
void labels_start(const struct labels *set);
SIGNAL_SAFE const struct labels *labels_of_process(void);

#endif
