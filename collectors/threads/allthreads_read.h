/* SPDX-License-Identifier: MIT
 *
 * Reading where a thread is without its help, from procfs and the memory of its stack: the half of
 * allthreads.h that sends no signal. Called by allthreads.c for one thread after the other, on its
 * private stack. No lock, no memory but the caller's; SIGNAL_SAFE.
 */
#ifndef COLLECTORS_ALLTHREADS_READ_H
#define COLLECTORS_ALLTHREADS_READ_H

#include "collectors/snapshot.h"
#include "collectors/stacks/unwind_search.h"
#include "collectors/threads/threads.h"

#include <ucontext.h>

enum { READ_COPY_BYTES = 256 << 10 };

/* Where threads are read; room for one at a time. */
struct allthreads_reader {
    int pid;            /* the process they belong to; 0 = the caller's own */
    ucontext_t context; /* the registers that are known */
    struct search_room room;
    char copy[READ_COPY_BYTES] __attribute__((aligned(16))); /* the stack, from its leaf up */
};

enum allthreads_sleeper {
    SLEEPER_READ,    /* it sleeps; stack and state are filled in */
    SLEEPER_RUNS,    /* it runs, or ran in between */
    SLEEPER_KERNEL,  /* a thread of the kernel's own, which is to be left out */
    SLEEPER_UNKNOWN, /* the kernel does not tell, or there is no memory for its stack */
};

/* Reads the thread t->tid if it sleeps. row: its row in the registry, or NULL. */
SIGNAL_SAFE enum allthreads_sleeper allthreads_read_sleeper(struct allthreads_reader *r,
                                                            struct snapshot_thread *t,
                                                            const struct thread *row);

/* Fills in name, state, and for how long the thread has not run. now: the present time as
 * procfs_last_ran() tells it; -1 = not known, and then minutes is 0. */
SIGNAL_SAFE void allthreads_read_detail(const struct allthreads_reader *r,
                                        struct snapshot_thread *t, int64_t now);

#endif
