/* SPDX-License-Identifier: MIT
 *
 * Asking threads by a signal where they are: the half of allthreads.h that needs their help. One
 * round of questions at a time: between allthreads_ask_begin() and _end().
 */
#ifndef COLLECTORS_ALLTHREADS_ASK_H
#define COLLECTORS_ALLTHREADS_ASK_H

#include "collectors/snapshot.h"

/* True: this thread may ask. False: it was interrupted while it did, or another does and *changes
 * has left the value seen, or 0.3 s have passed. Meanwhile it answers what it is asked by its own
 * stack and labels (NULL in the scribe). SIGNAL_SAFE. */
SIGNAL_SAFE bool allthreads_ask_begin(const struct stack *own, const struct labels *labels,
                                      const uint32_t *changes, uint32_t seen);
SIGNAL_SAFE void allthreads_ask_end(void);

/* Asks n threads and fills in stack and labels of those that answer within the deadline; the others
 * keep what they had. pid: theirs. SIGNAL_SAFE. */
SIGNAL_SAFE void allthreads_ask(int pid, struct snapshot_thread *const *asked, size_t n);

/* The signal that is used, from the start on. */
void allthreads_ask_start(int signal);
int allthreads_ask_signal(void);

/* At each signal that is used, in its handler: answers if this thread is asked. True: the signal
 * was sent for that alone. SIGNAL_SAFE, also in threads without a thread block. */
SIGNAL_SAFE bool allthreads_ask_answer(const void *siginfo, const void *ucontext);

/* The calling thread is about to become another program, which a signal of ours would kill; or has
 * failed to. */
void allthreads_ask_leave(void);
void allthreads_ask_stay(void);

/* In a forked child: no round is being made. */
void allthreads_ask_fork_child(void);

#endif
