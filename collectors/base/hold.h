/* SPDX-License-Identifier: MIT
 *
 * While the process ends or is about to exec, its other threads stand still: without the library
 * they would be gone by now, and what they use may have been destroyed. A thread that runs is sent
 * a signal by its own CPU clock (cpu_interrupt_others()), whose handler calls hold_stay_running().
 * A thread that sleeps is left asleep; when its wait is over, the hook of that wait calls
 * hold_here(). So a wait ends as it would have, only later, and none is cut.
 *
 * The same look, at the end of a wait, serves for an errand that any thread may do when it next
 * wakes up by itself: to collect a process of ours that has ended (preload/output/scribe.c).
 *
 * No lock, no errno, no thread block.
 */
#ifndef BASE_HOLD_H
#define BASE_HOLD_H

#include "collectors/base/abi.h"

/* The id of the thread that the others stand still for; HOLD_ERRAND: there is an errand; 0 = none.
 */
extern HIDDEN uint32_t hold_by;
#define HOLD_ERRAND UINT32_MAX

/* What the errand is: SIGNAL_SAFE; also called in vfork children. It is called often while it
 * cannot be done yet, and then asks again by hold_errand(). */
void hold_start(void (*errand)(void));
/* There is one. */
SIGNAL_SAFE void hold_errand(void);

/* The calling thread ends the process, or makes it another program. */
SIGNAL_SAFE void hold_begin(void);
/* They go on. at_last: the last dump is made and the process ends, within some microseconds as a
 * rule. Then threads that ran go on at once, for they may have a lock that the end needs, malloc's
 * say; those whose wait is over after 0.1 s. */
SIGNAL_SAFE void hold_end(bool at_last);
/* In a forked child: only its one thread is there. */
void hold_fork_child(void);

/* Returns at once where there is nothing to stand still for, and in a vfork child; else after
 * hold_end(), or after 20 s: the ending thread may have left its end by a longjmp. The first is for
 * a thread that ran, in a signal handler; the second for one whose wait is over, and does the
 * errand. */
SIGNAL_SAFE void hold_stay_running(void);
SIGNAL_SAFE void hold_stay(void);

/* In a hook, where a wait of the program's is over and the hook holds nothing. */
SIGNAL_SAFE static inline __attribute__((always_inline)) void hold_here(void)
{
    if (UNLIKELY(LOAD(&hold_by) != 0)) {
        hold_stay();
    }
}

#endif
