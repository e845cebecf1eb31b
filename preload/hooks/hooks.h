/* SPDX-License-Identifier: MIT
 *
 * What preload/init.c starts of the hooks; each function is described where it is defined. All of
 * them run in the constructor, except where said otherwise.
 */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include "collectors/base/abi.h"

#include <signal.h>

/* hook_cxx.c: looks the C++ operators up. */
void hook_cxx_start(void);
/* After a dlclose. */
void hook_cxx_forget(void);

/* hook_thread.c: from now on threads are registered; the calling thread is. */
void hook_thread_start(void);
/* Threads that are made from now on are none of ours. */
void hook_thread_stop(void);
/* Where the main thread's stack lies: argv is at its upper end. */
void hook_thread_main_stack(char *const *argv);

/* hook_key.c: the key whose destructor is called at the end of a thread that it was set in. */
void hook_key_start(void (*at_end)(void *value));
/* Sets it in this thread. False: there is none; the program needed them all. */
bool hook_key_set(void *value);

/* hook_signal.c: takes SIGPROF and the dump signal (0 = none) over from the program, and TERM, INT
 * and HUP while they are at their default. */
void hook_signal_start(int dump_signal, bool dump_at_end);
/* In a forked child: no other thread is in the middle of a change any more. */
void hook_signal_fork_child(void);
/* Before an exec: the kernel ignores what the program ignores. After one that failed: as before.
 * Also in a vfork child, whose dispositions are its own. */
void hook_signal_before_exec(void);
void hook_signal_exec_failed(void);
/* TERM, INT and HUP are the program's alone again. SIGPROF and the dump signal stay ours, for one
 * of them may be on its way. */
void hook_signal_stop(void);
/* The timers' and the dump signal, as a kernel mask. */
uint64_t hook_signal_mask(void);

/* hook_sigmask.c: from now on the kernel's masks do not hold SIGPROF. */
void hook_sigmask_start(void);
/* In a new thread. */
void hook_sigmask_thread_begin(void);
/* Around the creation of a thread: where the creator believes that it blocks SIGPROF, the new one
 * is born with it blocked, for it does not know yet what to believe. */
bool hook_sigmask_create_begins(void);
void hook_sigmask_create_ends(bool begun);
/* In a forked child, whose thread has a new timer. */
void hook_sigmask_fork_child(void);
/* In the handler, which a SIGPROF of the program's own has reached in a thread that believes it
 * blocks it: from the handler's return on it does, and the signal waits. */
SIGNAL_SAFE void hook_sigmask_defer(const siginfo_t *info, void *context);
/* Around a wait that takes signals: true if the second is to undo what the first did. */
bool hook_sigmask_wait_begins(const sigset_t *set);
void hook_sigmask_wait_ends(bool begun);
/* A thread that believes it blocks SIGPROF is to do so, for others wait for it to be pending, or a
 * new program inherits the mask. Undone when the program unblocks it, or where this is true, by
 * hook_sigmask_wait_ends(). */
bool hook_sigmask_is_awaited(void);
/* While a call waits with this mask (NULL: with its own), the thread believes in it. Returns what
 * it believed before, to be put back. */
bool hook_sigmask_meanwhile(const sigset_t *set);

/* hook_process.c: fork handlers. in_child() is called in a forked child that is profiled: what the
 * API has to forget there, for hooks do not know the API. */
void hook_process_start(void (*in_child)(void));

#endif
