/* SPDX-License-Identifier: MIT
 *
 * The registry: one row for each thread whose CPU time is sampled, in memory reserved at start, so
 * that a row's address can be the cookie of a kernel timer and be recognised when the timer's
 * signal brings it back. Rows are taken and given back without a lock; SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_THREADS_H
#define COLLECTORS_THREADS_H

#include "collectors/base/abi.h"

enum thread_state {
    THREAD_FREE,
    THREAD_TAKEN,    /* is being set up, or its thread has no timer */
    THREAD_TIMED,    /* its thread has a timer */
    THREAD_CHANGING, /* held: a thread changes the timer (cpu/cpu_timer.h) */
};

struct thread {
    uint32_t state;     /* enum thread_state */
    int32_t tid;        /* the kernel's id; 0 until it runs */
    int32_t timer;      /* the kernel's id of its timer */
    bool foreign;       /* not made by pthread_create or thrd_create: may have no struct self */
    bool aside;         /* no signal may be sent to it (cpu_thread_aside()) */
    uint8_t more_pages; /* by which its stack is larger than the program asked for */
    uint8_t rounds;     /* rounds of thread-specific destructors that its end has seen */
    uint32_t scans;     /* threads_scan_begins() calls when the row was taken */
    uint32_t period;    /* of its timer, ns */
    uint32_t changes;   /* of the timer, odd while it changes: a sequence lock (cpu_timer.c) */
    uint32_t draws;     /* from which the instants in its periods are drawn (cpu_timer.h) */
    int64_t clock_base; /* the thread's CPU clock when it first got a timer, ns */
    int64_t origin;     /* the CPU clock from which this timer's periods are counted, ns */
    int64_t before;     /* expiries of its earlier timers */
    int64_t credited;   /* expiries that have been credited (cpu/cpu_credit.h) */
    uintptr_t stack_lo, stack_hi;
    void *(*start)(void *);   /* the program's start routine (pthread_create), */
    int (*start_c11)(void *); /* or thrd_create's */
    void *start_arg;
    const struct labels *labels; /* the same as in its struct self, for other threads (labels.h) */
    const struct stack *created; /* the stack that created it; NULL = not known */
    const struct sleep_note *sleep; /* of its struct self; NULL = it has none, or has ended */
} __attribute__((aligned(CACHE_LINE)));

/* Reserves the rows. Constructor only; 0 or -ENOMEM. */
int threads_start(void);

/* A row in state THREAD_TAKEN, zeroed; NULL when all are in use or there are none. */
struct thread *threads_take(void);
void threads_give_back(struct thread *t);

/* The row whose address a timer's sival_ptr is, or NULL if it is none. */
struct thread *threads_from_cookie(const void *cookie);

/* The row of a live thread by its id, or NULL. */
struct thread *threads_by_tid(int tid);

/* Another row of t's thread, or NULL: a scan of procfs may find a thread that is just starting
 * before the thread has stored its id in its own row. */
struct thread *threads_twin(const struct thread *t);
/* The same for the starting thread itself: NULL, without a look at the rows, if no scan has begun
 * since its row was taken. */
struct thread *threads_twin_since(const struct thread *t);
/* To be called by a thread before it stores another thread's id in a row. */
void threads_scan_begins(void);

/* Calls visit on every row that is not free. */
void threads_each(void (*visit)(struct thread *t, void *arg), void *arg);

/* Calls visit with the id of each thread of the process, from procfs; of this very process only.
 * The number of threads, or -errno. A handful of system calls. */
int threads_of_process(void (*visit)(int tid, void *arg), void *arg);

/* Does a thread of this process run, or wait for a processor, rather than sleep? A handful of
 * system calls. SIGNAL_SAFE. */
bool threads_is_running(int tid);

/* How many threads the kernel says the process has; -errno. One system call. */
int threads_alive(void);
/* How many rows are in use. */
int threads_registered(void);

/* In a forked child: all rows but keep (may be NULL) become free. The caller has given back their
 * references to label sets. */
void threads_fork_child(struct thread *keep);

#endif
