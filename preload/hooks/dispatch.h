/* SPDX-License-Identifier: MIT
 *
 * Threads whose system calls the kernel hands to the program as SIGSYS (Syscall User Dispatch:
 * Wine, emulators), all but those from one range of addresses, while a byte of the program's, the
 * selector, says so. Ours are none of the program's. So the profiler leaves such a thread alone: it
 * has no timer, nothing in it is sampled, and it is sent no signal. Where a hook must make system
 * calls all the same, at a fork for example, it sets the selector right around them. A handler of
 * the program's that interrupts it there finds the selector open.
 *
 * Called in the thread itself, which has a thread block.
 */
#ifndef PRELOAD_DISPATCH_H
#define PRELOAD_DISPATCH_H

#include "collectors/base/self.h"

enum { DISPATCH_OPEN, DISPATCH_BLOCK }; /* values of a selector, as the kernel has them */

extern HIDDEN bool dispatch_used; /* any thread of the process dispatches, or did */

/* In a process that never did, a thread without a thread block comes here too: it must not be
 * touched. */
static inline bool dispatch_is_on(void)
{
    return UNLIKELY(LOAD(&dispatch_used)) && self.dispatch != NULL;
}

/* Around system calls of ours: they are made, whatever the selector says. */
static inline uint8_t dispatch_open(void)
{
    uint8_t before = DISPATCH_OPEN;
    if (dispatch_is_on()) {
        before = LOAD(self.dispatch);
        STORE(self.dispatch, DISPATCH_OPEN);
    }
    return before;
}

static inline void dispatch_close(uint8_t before)
{
    if (dispatch_is_on()) {
        STORE(self.dispatch, before);
    }
}

/* Around prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, …, selector): what to pass as the selector; and
 * the call's result, which is 0 or an error. */
struct dispatch_change {
    unsigned long selector;
    bool fresh; /* the thread did not dispatch before */
};
struct dispatch_change dispatch_begins(unsigned long mode, unsigned long selector);
void dispatch_changed(unsigned long mode, struct dispatch_change change, long result);

/* Before an exec: the next program inherits the mask that this thread would have without us. */
void dispatch_before_exec(void);

/* In a forked child: the kernel dispatches there no longer. */
void dispatch_fork_child(void);

#endif
