/* SPDX-License-Identifier: MIT
 *
 * The registry: one row for each thread whose CPU time is sampled, in memory reserved at start, so
 * that a row's address can travel through the kernel in a timer and be recognised when it comes
 * back. Rows are taken and given back without a lock; SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_THREADS_H
#define COLLECTORS_THREADS_H

#include "collectors/base/abi.h"

enum thread_state {
    THREAD_FREE,
    THREAD_TAKEN,    /* being set up, or of a thread without a timer */
    THREAD_TIMED,    /* has a timer */
    THREAD_CHANGING, /* it is being given one, or another one */
};

struct thread {
    uint32_t state; /* enum thread_state */
    int32_t tid;    /* the kernel's id; 0 until it runs */
    int32_t timer;  /* the kernel's id of its timer */
    bool foreign;   /* not made by pthread_create or thrd_create: has no struct self of its own */
    bool prof_blocked;  /* inherited: see struct self */
    uint8_t rounds;     /* of thread-specific destructors that its end has seen */
    bool leaving;       /* for another program: no signal is to follow it there */
    uint32_t scans;     /* threads_scan_begins() calls when the row was taken */
    uint32_t period;    /* of its timer, ns */
    uint32_t changes;   /* of the timer: what was read meanwhile belongs together if it stands */
    int64_t clock_base; /* the thread's CPU clock when sampling began, ns */
    int64_t first;      /* the CPU clock at the first expiry of this timer, ns */
    int64_t before;     /* expiries of the timers before it */
    int64_t credited;   /* periods accounted for */
    uintptr_t stack_lo, stack_hi;
    void *(*start)(void *);   /* the program's start routine (pthread_create), */
    int (*start_c11)(void *); /* or thrd_create's */
    void *start_arg;
    const struct labels *labels; /* those of its struct self, for others to read (labels.h) */
    const struct stack *created; /* who made it; NULL = not known */
} __attribute__((aligned(CACHE_LINE)));

/* Reserves the rows. Constructor only; 0 or -ENOMEM. */
int threads_start(void);

/* A row in state THREAD_TAKEN, zeroed; NULL when all are in use or there are none. */
struct thread *threads_take(void);
void threads_give_back(struct thread *t);

/* The row that a timer's sival_ptr names, or NULL if that pointer is not one of ours. */
struct thread *threads_from_cookie(const void *cookie);

/* The row of a live thread by its id, or NULL. */
struct thread *threads_by_tid(int tid);

/* Another row of t's thread, if there is one: a thread that is just starting can be found by a scan
 * of procfs before it has told its own row its id. */
struct thread *threads_twin(const struct thread *t);
/* The same for the starting thread itself: nothing, and at once, if no scan has looked at any
 * thread since its row was taken. */
struct thread *threads_twin_since(const struct thread *t);
/* To be called by who enters a thread that is not itself, before it does. */
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

/* In a forked child: all rows but keep (may be NULL) become free. Their references to label sets
 * are to be given back before. */
void threads_fork_child(struct thread *keep);

#endif
