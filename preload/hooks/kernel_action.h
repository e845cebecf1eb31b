/* SPDX-License-Identifier: MIT
 *
 * What the kernel is told to do with a signal, past libc: with the mask of 64 signals that our
 * handlers run with, libc's own signals among them. SIGNAL_SAFE but for the start; no lock, no
 * errno.
 */
#ifndef PRELOAD_KERNEL_ACTION_H
#define PRELOAD_KERNEL_ACTION_H

#include "collectors/base/abi.h"

/* Signal n in a mask of the kernel's. */
static inline uint64_t kernel_action_bit(int sig)
{
    return 1ULL << (sig - 1);
}

/* Learns libc's restorer. Constructor only. */
void kernel_action_start(void);

/* Sets a signal's action, with libc's restorer and the flags of struct sigaction. 0 or -errno. */
SIGNAL_SAFE int kernel_action_set(int sig, void (*handler)(int), int flags, uint64_t mask);

/* From now on handlers run on the alternate stack of a thread that has one. */
void kernel_action_use_alternate_stacks(void);
SIGNAL_SAFE bool kernel_action_uses_alternate_stacks(void);

/* The mask with which our handlers run. */
SIGNAL_SAFE uint64_t kernel_action_handler_mask(void);

/* Has the kernel take the default action of a signal that has come to the calling thread. */
SIGNAL_SAFE void kernel_action_by_default(int sig);

#endif
