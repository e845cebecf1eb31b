/* SPDX-License-Identifier: MIT
 *
 * The goroutine profile: where every thread of the process is, at one moment. A picture is taken by
 * a thread of the program (procfs may tell nobody else), or by the scribe as far as it may, and
 * handed to the dump that shows it. A thread that sleeps is read without a signal; one that runs,
 * or whose stack needs a register that procfs does not give, is sent one and answers in the
 * handler; one that does neither still has its line.
 */
#ifndef COLLECTORS_ALLTHREADS_H
#define COLLECTORS_ALLTHREADS_H

#include "collectors/collector.h"
#include "collectors/snapshot.h"
#include "collectors/threads/labels.h"

struct allthreads;

enum {
    ALLTHREADS_SIGNAL = 1, /* threads may be sent signals */
    ALLTHREADS_DETAIL = 2, /* names, states, and how long they wait: three files more of each */
    ALLTHREADS_SHARE = 4,  /* one that another thread is taking at the moment will do */
};

/* The profile goroutine; its collector keeps nothing between two dumps. */
extern const struct collector allthreads_collector;

/* A picture. caller: the calling thread's stack as it shall be shown; NULL in the scribe, which
 * names the process by pid (0 = the own one). NULL when there is no memory, or no procfs. At most
 * some 0.1 s for threads that do not answer; else 10 µs a thread. SIGNAL_SAFE. */
SIGNAL_SAFE struct allthreads *allthreads_take(int pid, int how, const struct stack *caller);
void allthreads_free(struct allthreads *a);

/* What is in it. */
const struct snapshot_thread *allthreads_list(const struct allthreads *a, size_t *n);
size_t allthreads_samples(const struct allthreads *a, struct snapshot_sample **out, size_t *bytes);

/* Hands a picture to the dump that is about to be asked for. SIGNAL_SAFE. */
SIGNAL_SAFE void allthreads_offer(struct allthreads *a);
/* The picture for one of `open` dumps that have been asked for; NULL = none. Scribe only. */
struct allthreads *allthreads_claim(uint32_t open);

#endif
