/* SPDX-License-Identifier: MIT
 *
 * The profile of all threads (goroutine): where every thread of the process is at one moment. A
 * list of them is taken by a thread of the program, because procfs may show the process to no other
 * process, or else by the scribe, as far as procfs lets it; and is handed to the dump that writes
 * it. The stack of a sleeping thread is read without its help, and the thread is never woken. A
 * thread that runs walks its own stack in the handler of a signal that its own CPU clock brings. A
 * thread that does not answer is in the list under PSEUDO_NO_RESPONSE.
 */
#ifndef COLLECTORS_ALLTHREADS_H
#define COLLECTORS_ALLTHREADS_H

#include "collectors/collector.h"
#include "collectors/snapshot.h"
#include "collectors/threads/labels.h"

struct allthreads;

enum {
    ALLTHREADS_SIGNAL = 1, /* running threads may be asked by a signal */
    ALLTHREADS_DETAIL = 2, /* also names, states, and times of waits: three more files a thread */
    ALLTHREADS_SHARE = 4,  /* a list that another thread takes meanwhile will do */
};

/* The profile goroutine; its collector keeps nothing between two dumps. */
extern const struct collector allthreads_collector;

/* Takes a list. how: bits of the enum above. caller: the calling thread's stack as it is to be
 * shown; NULL in the scribe, which names the process by its pid (0 = the caller's own process).
 * NULL if there is no memory, or no procfs. Takes some 10 µs a thread, and at most 0.1 s more for
 * threads that do not answer. SIGNAL_SAFE. The list is given back by allthreads_free(). */
SIGNAL_SAFE struct allthreads *allthreads_take(int pid, int how, const struct stack *caller);
void allthreads_free(struct allthreads *a);

/* The threads of a list; and the same as samples, one for each distinct stack and set of labels, in
 * memory to be given back by sys_unmap(*out, *bytes). Both return a number of elements; 0 samples
 * also if there is no memory. */
const struct snapshot_thread *allthreads_list(const struct allthreads *a, size_t *n);
size_t allthreads_samples(const struct allthreads *a, struct snapshot_sample **out, size_t *bytes);

/* Hands a list to the dump that is about to be requested. SIGNAL_SAFE. */
SIGNAL_SAFE void allthreads_offer(struct allthreads *a);
/* The list for the next of `open` dumps that were requested and are not yet written; NULL = none.
 * Only for the scribe. */
struct allthreads *allthreads_claim(uint32_t open);

#endif
