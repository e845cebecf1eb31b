/* SPDX-License-Identifier: MIT
 *
 * While the process ends or is about to exec, its other threads stand still: without the library
 * they would be gone by now, and what they use may have been destroyed. A thread that runs is sent
 * a signal by its own CPU clock (cpu_interrupt_others()), whose handler calls hold_stay(). A thread
 * that sleeps is left asleep; when its wait is over, the hook of that wait calls hold_here(). So a
 * wait ends as it would have, only later, and none is cut.
 *
 * No lock, no errno, no thread block.
 */
#ifndef BASE_HOLD_H
#define BASE_HOLD_H

#include "collectors/base/abi.h"

/* The id of the thread that the others stand still for; 0 = none. */
extern HIDDEN uint32_t hold_by;

/* The calling thread ends the process, or makes it another program. */
SIGNAL_SAFE void hold_begin(void);
/* They go on: the process does not end yet, or its end needs what they hold. */
SIGNAL_SAFE void hold_end(void);
/* In a forked child: only its one thread is there. */
void hold_fork_child(void);

/* Returns at once where there is nothing to stand still for, and in a vfork child; else after
 * hold_end(), or after 20 s: the ending thread may have left its end by a longjmp. */
SIGNAL_SAFE void hold_stay(void);

/* In a hook, where a wait of the program's is over and the hook holds nothing. */
SIGNAL_SAFE static inline __attribute__((always_inline)) void hold_here(void)
{
    if (UNLIKELY(LOAD(&hold_by) != 0)) {
        hold_stay();
    }
}

#endif
