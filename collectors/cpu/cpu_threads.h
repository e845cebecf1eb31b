/* SPDX-License-Identifier: MIT
 *
 * Which threads have a timer: each thread gets one as it begins and loses it as it ends; threads
 * that no hook saw begin (raw clone, the helpers of timer_create) are found by a scan of procfs.
 * Lock: a thread's row of the registry is held while its timer changes (LOCK_THREAD_ROW,
 * cpu_timer.h), with signals blocked. SIGNAL_SAFE.
 */
#ifndef COLLECTORS_CPU_THREADS_H
#define COLLECTORS_CPU_THREADS_H

#include "collectors/threads/threads.h"

/* First and last act of a thread made through pthread_create or thrd_create, in that thread; t: the
 * row that its creator took for it. */
void cpu_thread_begin(struct thread *t);
void cpu_thread_end(struct thread *t);

/* The calling thread, which is the first one of its process, or the only one of a forked child:
 * takes a row, if it has none, and gets a timer. Its CPU clock may have run for long. */
void cpu_thread_enter(void);

/* The calling thread is about to hand its own system calls to a handler of the program's: from now
 * on it has no timer, and no signal of ours is sent to it. Its CPU time shows as not sampled. */
void cpu_thread_aside(void);
/* It does so no longer. */
void cpu_thread_back(void);

/* A thread that did not call cpu_thread_begin(): gets a timer now, unless it has one. */
SIGNAL_SAFE void cpu_thread_found(int tid);

/* The same for all threads that procfs names and the registry does not know. Does nothing if as
 * many threads are unknown as the last scan failed to register (the kernel refused a timer, or the
 * thread is a zombie), except at a dump. */
SIGNAL_SAFE void cpu_threads_find(bool at_dump);
/* The same, even if no thread is missing. */
void cpu_threads_find_all(void);

#endif
