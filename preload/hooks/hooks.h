/* SPDX-License-Identifier: MIT
 *
 * What preload/init.c starts of the hooks, and what they ask each other. All of these run in the
 * constructor, except where said otherwise.
 */
#ifndef PRELOAD_HOOKS_H
#define PRELOAD_HOOKS_H

#include "collectors/base/abi.h"

/* hook_cxx.c: looks the C++ operators up, if a C++ runtime is loaded. */
void hook_cxx_start(void);
/* After a dlclose: operators that were found later than by hook_cxx_start() are looked up again. */
void hook_cxx_forget(void);
/* The operators that have a next definition, with it and ours; how many. rows has room for
 * HOOK_CXX_REBINDINGS. */
struct libc_rebinding;
enum { HOOK_CXX_REBINDINGS = 20 };
size_t hook_cxx_rebindings(struct libc_rebinding *rows);

/* hook_dlopen.c: the heap is not kept, or not any longer: nothing is changed for its sake. */
void hook_dlopen_off(void);
void hook_dlopen_fork_child(void);

/* hook_thread.c: threads that are made from now on are registered. */
void hook_thread_start(void);
/* Threads that are made from now on are not registered. Any thread. */
void hook_thread_stop(void);
/* Notes where the main thread's stack is; argv lies at its upper end. */
void hook_thread_main_stack(char *const *argv);

/* openmp.c: the waits of OpenMP's threads are seen from now on, if the program is linked with a
 * runtime, and waits are wanted. */
void hook_openmp_start(bool waits_are_wanted);
/* Before a thread is made, by the code at `caller`. Any thread. */
void hook_openmp_thread(const void *caller);

/* hook_key.c: makes a key of thread-specific data, whose destructor is at_end. */
void hook_key_start(void (*at_end)(void *value));
/* Sets the key in this thread, so that at_end(value) is called at the thread's end. False: there is
 * no key, because the program needed them all. Any thread. */
bool hook_key_set(void *value);

/* hook_privileges.c: instead of libc's syscall() for the numbers that have a 1 in the table. */
enum { HOOK_NUMBERS = 449 };
extern HIDDEN const uint8_t hook_privileges_numbers[HOOK_NUMBERS];
long hook_privileges_call(long nr, long a, long b, long c, long d, long e, long f);

/* hook_seccomp.c: before a call of prctl() with these first three arguments; of seccomp(). */
void hook_seccomp_prctl(int option, unsigned long a, unsigned long b);
void hook_seccomp_call(unsigned long operation, unsigned long flags, const void *filter);

/* hook_process.c: children. in_child() is called in a forked child that is profiled: what the
 * API has to forget there, for hooks do not know the API. True: exit() will call hook_process_end()
 * after all else. */
bool hook_process_start(void (*in_child)(void));

/* The process ends: the last dump, if it is not made yet. */
void hook_process_end(void);

/* A child that libc's clone() makes, with a copy of the memory, begins with hook_birth_begin(),
 * whose argument is one of these, and goes on with fn(arg). */
struct hook_birth {
    int (*fn)(void *arg);
    void *arg;
    uint64_t mask; /* hook_fork_begins() */
};
int hook_birth_begin(void *birth);
/* Around a fork: our signals are blocked meanwhile, in the child too. The mask before. */
uint64_t hook_fork_begins(void);
void hook_fork_ends(uint64_t mask);

/* hook_daemon.c: in the fork handlers. */
void hook_daemon_parent(void);
void hook_daemon_child(void);

/* A process that was born by another way than libc's fork(), as the zygotes of browsers make
 * theirs: has it set a filter by an inline system call? Then the library is silent from here on,
 * and this is true. Asked before what would make system calls unasked: a tick, a new thread's
 * timer, the end. In other processes it costs a load. */
SIGNAL_SAFE bool hook_filter_unseen(void);

/* For syscall(), see ARCH_SYSCALL in stubs.h: would this call make a child with a copy of the
 * memory that goes on on the same stack? Then the call is made by hook_fork_call(). */
bool hook_fork_is_plain(long nr, long a, long b);
long hook_fork_call(long nr, long a, long b, long c, long d, long e, long f);

#endif
