/* SPDX-License-Identifier: MIT
 *
 * Filters on system calls (seccomp). One that kills would kill the program for what the library
 * does, one that answers with an error may leave the library without a file to write. Which it is
 * only the kernel can tell, so it is asked: a process that is a copy of this one, and that nobody
 * notices, puts itself behind the filter and makes each call that the library makes, on nothing.
 */
#ifndef PRELOAD_SECCOMP_H
#define PRELOAD_SECCOMP_H

#include "collectors/base/abi.h"

#include <linux/filter.h>

/* Would this process live on with the filter (NULL: with the one it has), and could it still write
 * dumps? Takes the time of a fork of this process. Any thread; no malloc; not SIGNAL_SAFE. */
bool seccomp_lets_us(const struct sock_fprog *filter);

/* How many filters are in force. One system call, and three where there are any: none that a filter
 * would forbid behind which a program can be started. */
int64_t seccomp_filters(void);

#endif
