/* SPDX-License-Identifier: MIT
 *
 * Asking threads by a signal where they are: the half of allthreads.h that needs their help. Only
 * one thread asks at a time, between allthreads_ask_begin() and _end(); the others answer in the
 * signal's handler, which takes no lock.
 */
#ifndef COLLECTORS_ALLTHREADS_ASK_H
#define COLLECTORS_ALLTHREADS_ASK_H

#include "collectors/snapshot.h"

/* Waits until no other thread asks. True: the caller may ask, and must call allthreads_ask_end().
 * False: it may not, because it is a handler that has interrupted the asking thread, because
 * *changes is no longer `seen`, or because 0.3 s have passed. While it waits it answers, should it
 * be asked itself, with these: the stack and labels of the calling thread (NULL in the scribe).
 * SIGNAL_SAFE. */
SIGNAL_SAFE bool allthreads_ask_begin(const struct stack *own, const struct labels *labels,
                                      const uint32_t *changes, uint32_t seen);
SIGNAL_SAFE void allthreads_ask_end(void);

/* Asks n threads of the process pid, and fills in stack and labels of those that answer within
 * 0.1 s; the others keep what they had. SIGNAL_SAFE. */
SIGNAL_SAFE void allthreads_ask(int pid, struct snapshot_thread *const *asked, size_t n);

/* Sets the signal by which threads are asked, for which our handler is installed; returns it. */
void allthreads_ask_start(int signal);
int allthreads_ask_signal(void);

/* Called by the handler of that signal each time: answers if the calling thread is asked. True: the
 * signal was sent for that alone. SIGNAL_SAFE, also in threads without a thread block. */
SIGNAL_SAFE bool allthreads_ask_answer(const void *siginfo, const void *ucontext);

/* Before the calling thread makes an exec: no signal is sent to it from now on, and none is
 * pending, because in the new program it would be fatal. stay: the exec has failed. */
void allthreads_ask_leave(void);
void allthreads_ask_stay(void);

/* In a forked child, where no round is under way: resets the state. */
void allthreads_ask_fork_child(void);

#endif
