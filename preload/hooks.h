/* SPDX-License-Identifier: MIT
 *
 * What preload/init.c starts of the hooks; each function is described where it is defined. All of
 * them run in the constructor, except where said otherwise.
 */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include "collectors/base/abi.h"

/* hook_cxx.c: looks the C++ operators up. */
void hook_cxx_start(void);
/* After a dlclose. */
void hook_cxx_forget(void);

/* hook_thread.c: from now on threads are registered; the calling thread is. */
void hook_thread_start(void);
/* Where the main thread's stack lies: argv is at its upper end. */
void hook_thread_main_stack(char *const *argv);

/* hook_signal.c: takes SIGPROF and the dump signal (0 = none) over from the program, and TERM, INT
 * and HUP while they are at their default. */
void hook_signal_start(int dump_signal, bool profile_cpu, bool dump_at_end);
/* In a forked child: no other thread is in the middle of a change any more. */
void hook_signal_fork_child(void);
/* Before an exec: the kernel ignores what the program ignores. After one that failed: as before.
 * Also in a vfork child, whose dispositions are its own. */
void hook_signal_before_exec(void);
void hook_signal_exec_failed(void);
/* The timers' and the dump signal, as a kernel mask. */
uint64_t hook_signal_mask(void);

/* hook_sigmask.c: from now on the kernel's masks do not hold SIGPROF. */
void hook_sigmask_start(void);
/* In a new thread. */
void hook_sigmask_thread_begin(void);

/* hook_process.c: fork handlers. */
void hook_process_start(void);

#endif
