/* SPDX-License-Identifier: MIT
 *
 * What procfs says of a thread: some system calls each, and at most 2 KiB of stack. pid: the
 * process that the thread belongs to, 0 = the caller's own. The kernel answers a process about
 * itself; about another process it may refuse (-EACCES, -EPERM). SIGNAL_SAFE throughout.
 */
#ifndef COLLECTORS_PROCFS_H
#define COLLECTORS_PROCFS_H

#include "collectors/base/abi.h"

/* Calls visit(tid, arg) for each thread of the process. Their number, or -errno. */
int procfs_threads(int pid, void (*visit)(int tid, void *arg), void *arg);

/* Where a thread waits in the kernel. */
struct procfs_call {
    long number; /* of the system call; -1 = in none (a page fault, say) */
    uintptr_t arg[6];
    uintptr_t sp, pc;
};
/* 1: *call is filled in; 0: the thread runs, or waits for a processor; -errno: it has ended, or the
 * kernel refuses to tell. Of a thread of the kernel's own, sp and pc are 0. */
int procfs_call(int pid, int tid, struct procfs_call *call);

/* The thread's state, 'R', 'S', 'D', 'T', 't', 'Z', … as in /proc/PID/stat; 0 = it has ended. */
char procfs_state(int pid, int tid);

/* The thread's name as valid UTF-8, filled up with zeros; empty if the thread has ended. */
void procfs_name(int pid, int tid, char name[16]);

/* When the scheduler last saw the thread run, in ms on the scheduler's clock; -1 = the kernel does
 * not tell. Of the calling thread, it is the present time on that clock. */
int64_t procfs_last_ran(int pid, int tid);

/* Whether the thread blocks the signal; false if that is not known. */
bool procfs_blocks(int pid, int tid, int signal);

/* The most bytes of memory that the process had resident at once; 0 = not known. */
uint64_t procfs_peak_bytes(void);

#endif
