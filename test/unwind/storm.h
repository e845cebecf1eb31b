/* SPDX-License-Identifier: MIT
 *
 * Between the work of test/unwind/storm.cc and the walks that hit it, test/unwind/storm_walk.c.
 */
#ifndef TEST_UNWIND_STORM_H
#define TEST_UNWIND_STORM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { STORM_THREADS = 8 };

/* Whether there are walks at all, or the program runs for a profiler's sake. 0, or -errno. */
int storm_start(bool walks);

/* First and last act of a thread: signals come in between. nested: also such as interrupt the
 * handler of others, for which a stack of 16 KiB has no room. */
void storm_thread_begin(bool nested);
void storm_thread_end(void);

/* A thread of the eight is still at work. */
void storm_progress(int thread);

/* After a dlclose that has unloaded something. */
void storm_unloaded(void);

/* fork(); the child walks, and ends with 0 if that went well. False: it did not. */
bool storm_fork(void);

/* Prints the figures of the walks as members of a JSON object, and on stderr where walks went wrong
 * or were cut; how many begin with another instruction. */
uint64_t storm_report(void);

#ifdef __cplusplus
}
#endif

#endif
