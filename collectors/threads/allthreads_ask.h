/* SPDX-License-Identifier: MIT
 *
 * Asking running threads where they are: the half of allthreads.h that needs their help. The signal
 * that they are asked by comes from a timer on the CPU clock of each (thread_tick.h), so that none
 * that sleeps is ever woken. Only one thread asks at a time, between allthreads_ask_begin() and
 * _end(); the others answer in the signal's handler, which takes no lock.
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

/* Asks n threads. own: they are those of the calling process, which makes timers for them; else
 * each is asked when the timer of its profile cpu expires. False: no memory, and there is nothing
 * to close. SIGNAL_SAFE, as all that follow. */
SIGNAL_SAFE bool allthreads_ask_open(bool own, struct snapshot_thread *const *asked, size_t n);
/* Waits until a time of CLOCK_MONOTONIC, ns. True: no thread is left that is asked and has not
 * answered. */
SIGNAL_SAFE bool allthreads_ask_wait(int64_t until);
/* Has the i-th thread not answered yet? Then it need not any more, because it sleeps. */
SIGNAL_SAFE bool allthreads_ask_is_open(size_t i);
SIGNAL_SAFE void allthreads_ask_withdraw(size_t i);
/* Fills in stack and labels of the threads that have answered; the others keep what they had. */
SIGNAL_SAFE void allthreads_ask_close(struct snapshot_thread *const *asked, size_t n);

/* Sets the signal by which threads are asked, for which our handler is installed; returns it. */
void allthreads_ask_start(int signal);
int allthreads_ask_signal(void);

/* Called by the handler of that signal each time: answers if the calling thread is asked. True: the
 * signal was sent for that alone. SIGNAL_SAFE, also in threads without a thread block. */
SIGNAL_SAFE bool allthreads_ask_answer(const void *siginfo, const void *ucontext);

/* In a forked child, where no round is under way: resets the state. */
void allthreads_ask_fork_child(void);

#endif
