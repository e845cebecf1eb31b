/* SPDX-License-Identifier: MIT
 *
 * Filters on system calls (seccomp). A filter that kills would kill the program for a call of the
 * library; one that answers with an error may keep the library from writing its files. Which of
 * them a filter does cannot be read off it, so it is tried: a copy of the process puts itself
 * behind the filter and makes every call that the library makes (syscall_trial.h). The copy is no
 * child that the program's wait() could see. Called by preload/init.c and
 * preload/hooks/hook_seccomp.c. No malloc, no lock; not in a signal handler.
 */
#ifndef PRELOAD_SECCOMP_H
#define PRELOAD_SECCOMP_H

#include "collectors/base/abi.h"

#include <linux/filter.h>

/* Would the library do its work behind this filter, and neither die nor be kept from writing? NULL:
 * behind the filters that are in force. Takes the time of a fork of this process, 0.2 ms for a
 * small one. False also if no process can be made. Any thread. */
bool seccomp_lets_us(const struct sock_fprog *filter);

/* How many filters are in force. Constructor only. Makes one system call, and three more if there
 * are any (prctl, openat, read, close): calls that every filter behind which a program can be
 * started allows. */
int64_t seccomp_filters(void);

/* In a child that no hook has seen begin: are more filters in force than seccomp_filters() found at
 * the start, or is that not known? Makes the same calls, and no other where there were none. One
 * thread at a time. */
bool seccomp_has_new_filters(void);

/* A hook has seen that the program sets a filter. */
void seccomp_is_seen(void);
/* Is a filter in force in this thread, while the library knows of none? One system call, prctl. */
SIGNAL_SAFE bool seccomp_is_unseen(void);

#endif
