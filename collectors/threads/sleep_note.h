/* SPDX-License-Identifier: MIT
 *
 * Where a thread sleeps, as the hooks of functions that may sleep note it (struct sleep_note in
 * self.h). Procfs tells more, and of all system calls; but not where the process has left root, and
 * is not dumpable: then /proc/self/task/TID/syscall belongs to root. The note needs no permission.
 * It costs a few stores around a system call.
 *
 * A note that is not 0 says that the thread has called that function and has not come back; not
 * that it sleeps. A thread that left the function by longjmp() keeps the note until its next such
 * call; mostly the word from which the hook's caller is known has been overwritten by then. The
 * hooks are in preload/hooks/hook_sleep.h; allthreads_read.c reads notes of other threads.
 */
#ifndef COLLECTORS_SLEEP_NOTE_H
#define COLLECTORS_SLEEP_NOTE_H

#include "collectors/base/self.h"
#include "collectors/stacks/regs.h"
#include "collectors/threads/threads.h"

/* In the function that calls call->function next. The frame is this function's own, because a
 * function that asks for its frame's address keeps a frame pointer. set: the signals that the call
 * blocks meanwhile, or NULL. A mark that a cancelled call has left is none of this one. */
static inline __attribute__((always_inline)) void sleep_note_begins(const struct sleep_call *call,
                                                                    const void *set)
{
    self.sleep.call = call;
    self.sleep.caller = (uintptr_t)__builtin_return_address(0);
    self.sleep.set = set;
    self.sleep.cut = 0;
    STORE_RELEASE(&self.sleep.frame, (uintptr_t)__builtin_frame_address(0));
}

static inline __attribute__((always_inline)) void sleep_note_ends(void)
{
    STORE_RELEASE(&self.sleep.frame, 0);
}

/* What a note says, and the registers of the program's function that called the hook. */
struct sleep_noted {
    uintptr_t frame;
    uintptr_t function; /* where libc's function begins */
    long number;        /* of the system call, or -1 */
    struct regs caller;
};

/* The note of a thread by its row. False: there is none, or it is not of the thread's own stack, as
 * of a thread of raw clone that shares its creator's struct self. SIGNAL_SAFE. */
SIGNAL_SAFE bool sleep_note_read(const struct thread *row, struct sleep_noted *noted);

/* Is it still the same sleep? */
static inline bool sleep_note_is(const struct sleep_noted *a, const struct sleep_noted *b)
{
    return a->frame == b->frame && a->function == b->function && a->number == b->number &&
           a->caller.pc == b->caller.pc && a->caller.sp == b->caller.sp &&
           a->caller.bp == b->caller.bp;
}

/* The frame of a hook that has called the function in which the stack pointer is sp, or 0. The
 * frame pointer holds it until such a function saves it, and then the function's frame information
 * says where; so it is what a walk from there needs to know of the frame pointer. */
SIGNAL_SAFE uintptr_t sleep_note_above(const struct thread *row, uintptr_t sp);

/* Below a hook's frame libc has at most this much of the stack when it makes the system call, in
 * bytes; the kernel's frame of a signal handler takes more. */
enum { SLEEP_NOTE_REACH = 1 << 10 };

#endif
