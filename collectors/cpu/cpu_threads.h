/* SPDX-License-Identifier: MIT
 *
 * Which threads have a timer: each gets one as it begins and loses it as it ends; threads that no
 * hook saw begin (raw clone, the helpers of timer_create) are found by a scan of procfs. No locks;
 * a row of the registry is held while its timer changes (cpu_timer.h). SIGNAL_SAFE.
 */
#ifndef COLLECTORS_CPU_THREADS_H
#define COLLECTORS_CPU_THREADS_H

#include "collectors/threads/threads.h"

/* First and last act of a thread made through pthread_create or thrd_create, in that thread; t is
 * the row its creator took. */
void cpu_thread_begin(struct thread *t);
void cpu_thread_end(struct thread *t);

/* The calling thread, which is the first or the only one of its process: its clock may have run for
 * long, and it keeps the row that it has. */
void cpu_thread_enter(void);

/* A thread that did not come by cpu_thread_begin: timed from now on, unless it is already. */
SIGNAL_SAFE void cpu_thread_found(int tid);

/* The same for all threads that procfs names and the registry does not know. Where as many are
 * unknown as the last scan could not register (a refused timer, a zombie), there is no further one,
 * unless at a dump. */
SIGNAL_SAFE void cpu_threads_find(bool at_dump);
/* Without the question whether any is unknown. */
void cpu_threads_find_all(void);

#endif
