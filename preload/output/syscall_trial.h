/* SPDX-License-Identifier: MIT
 *
 * Every system call that the library makes, made once with arguments that do nothing. The list is
 * read out of the sources by scripts/list-syscalls when the library is built, so it is complete by
 * itself. Called by preload/output/seccomp.c in a copy of the process that is behind the filter in
 * question: if that forbids a call, the copy dies of it.
 */
#ifndef PRELOAD_SYSCALL_TRIAL_H
#define PRELOAD_SYSCALL_TRIAL_H

#include "collectors/base/abi.h"

/* Makes the calls; pid: of the calling process, whose signals, descriptors, umask and scheduling
 * may change. False: a dump could not be written to a file. Raw system calls only. */
bool syscall_trial_run(int pid);

/* Calls that the library makes, by number; *n of them. */
const int *syscall_trial_list(size_t *n);
/* Is it left out, for a reason that stands in syscall_trial.c? */
bool syscall_trial_leaves_out(int number);

#endif
