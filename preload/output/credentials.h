/* SPDX-License-Identifier: MIT
 *
 * Has the program changed what it may do, past the hooks (preload/hooks/hook_privileges.c)? A
 * scribe that stays beside the program asks at least once a second, and leaves if so: it runs on
 * the program's memory, so a right that the program gave up and the scribe still had could be got
 * back by writing into the scribe's stack. Called in the scribe alone: raw system calls only.
 */
#ifndef PRELOAD_CREDENTIALS_H
#define PRELOAD_CREDENTIALS_H

#include "collectors/base/abi.h"

/* Does a thread of process `pid` that still runs have the same user, groups, capabilities, filters,
 * root, namespaces and security label as the calling process? True also where the kernel does not
 * tell. Takes some 40 system calls, and as many more for each thread that differs. */
bool credentials_are_of(int pid);

#endif
