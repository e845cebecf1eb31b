/* SPDX-License-Identifier: MIT
 *
 * What procfs says of a thread: a handful of system calls each, no memory but a page of stack.
 * pid: the process that the thread belongs to, 0 = the caller's own. The kernel answers a process
 * about itself; about another one it may refuse (-EACCES, -EPERM). SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_PROCFS_H
#define COLLECTORS_PROCFS_H

#include "collectors/base/abi.h"

/* Calls visit with the id of each thread. Their number, or -errno. */
int procfs_threads(int pid, void (*visit)(int tid, void *arg), void *arg);

/* Where a thread waits in the kernel. */
struct procfs_call {
    long number; /* of the system call; -1 = in none (a page fault, say) */
    uintptr_t arg[6];
    uintptr_t sp, pc;
};
/* 1: *call is filled; 0: the thread runs, or is about to; -errno: it is gone, or may not be looked
 * at. A thread of the kernel's own has sp and pc 0. */
int procfs_call(int pid, int tid, struct procfs_call *call);

/* 'R', 'S', 'D', 'T', 't', 'Z', … as in /proc/PID/stat; 0 = gone. */
char procfs_state(int pid, int tid);

/* The thread's name; empty if it is gone. */
void procfs_name(int pid, int tid, char name[16]);

/* Milliseconds at which the thread was last seen to run, on the scheduler's clock; -1 = the kernel
 * does not tell. */
int64_t procfs_last_ran(int pid, int tid);

/* Does the thread block a signal? */
bool procfs_blocks(int pid, int tid, int signal);

/* Most bytes of memory that the process ever had; 0 = not known. */
uint64_t procfs_peak_bytes(void);

#endif
