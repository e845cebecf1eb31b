/* SPDX-License-Identifier: MIT
 *
 * The one maker of this library's processes: their stack and thread block, their descriptors,
 * their parent, their priority, and what ends them. There are three sorts.
 *
 * A helper shares the program's memory and runs a function of ours. The scribe (scribe.c) is one, a
 * call that writes (write_call.c) makes another. It is two processes. The keeper is the program's
 * child, without an exit signal: only a wait with __WCLONE sees it. Its child, the worker, does the
 * work. The keeper ignores the end of its children, so the kernel never adds the CPU time of the
 * worker, or of a program that the worker starts, to the program's RUSAGE_CHILDREN.
 *
 * A program (the symboliser) is an ordinary child of a worker that borrows the worker's memory
 * until its exec, as posix_spawn does it.
 *
 * A copy has the program's memory as it was, and none in common with it: seccomp.c tries a filter
 * in one.
 *
 * Raw system calls only; no lock, no errno, no malloc. SIGNAL_SAFE unless a comment says otherwise.
 */
#ifndef PRELOAD_HELPER_PROCESS_H
#define PRELOAD_HELPER_PROCESS_H

#include "collectors/base/abi.h"

/* ---- helpers ---- */

struct helper {
    /* For the maker to set. `work` runs in the worker, kept = true; where no second process can be
     * made it runs in the keeper itself, kept = false. All signals are blocked but faults, which
     * end the process. It is done when it returns. */
    void (*work)(void *arg, bool kept);
    void *arg;
    bool has_fd; /* the helper keeps the program's descriptor `fd`, and no other */
    int fd;
    const char *dir; /* where both processes run, so that they keep no other folder busy; NULL =
                      * where the program does */
    /* helper_process.c's own. */
    char *memory;      /* stack, thread-local memory, thread block; NULL = not yet mapped */
    uint32_t tid;      /* the kernel clears it when the keeper has ended, and wakes its futex */
    int32_t process;   /* the keeper, as long as it has to be waited for; 0 = none */
    int32_t *row;      /* of the keeper, in helper_process.c's list of all keepers */
    int keeper;        /* the same, as the keeper and its worker know it */
    int program;       /* the process that has made it */
    bool program_gone; /* that process has ended: the worker is to leave within two seconds */
};

/* Makes ready for a new helper: memory, and a tid from which on helper_process_lives() is true.
 * False: the last one has not ended yet, there is no memory, or the program's children are of
 * another pid namespace. One thread at a time; it should
 * have collected the last one. */
MUST_CHECK SIGNAL_SAFE bool helper_process_claim(struct helper *h);
/* Then makes the processes, with all signals blocked by the caller, for they are born with its
 * mask. False: the kernel gives no process; then helper_process_drop() takes the claim back. */
MUST_CHECK SIGNAL_SAFE bool helper_process_start(struct helper *h);
SIGNAL_SAFE void helper_process_drop(struct helper *h);

/* Is it claimed or alive? Asks the kernel nothing. */
SIGNAL_SAFE static inline bool helper_process_lives(const struct helper *h)
{
    return LOAD(&h->tid) != 0;
}
/* Takes the kernel's notice of its end, so that no zombie stays. False: it has not ended yet. */
SIGNAL_SAFE bool helper_process_collect(struct helper *h);
/* Waits for its end, and collects it. */
SIGNAL_SAFE void helper_process_wait(struct helper *h);
/* The process is about to end or to exec, and may leave no child of ours to what comes after; or it
 * is about to change what it may do. Waits for all helpers, whichever thread has made them. Those
 * that have not ended after so many ns are killed. */
SIGNAL_SAFE void helper_process_end_all(int64_t patience);
/* Gives the memory back, after the end. */
void helper_process_free(struct helper *h);
/* In a forked child: this helper, as all others, is the parent's. */
void helper_process_fork_child(struct helper *h);

/* Runs work(arg) in the calling thread instead, on a stack as large as a helper's. False: no memory
 * for the stack. */
MUST_CHECK SIGNAL_SAFE bool helper_process_in_place(void (*work)(void *arg), void *arg);

/* ---- programs ---- */

struct helper_program {
    const char *path; /* absolute */
    const char *const *argv, *const *envp;
    const char *dir; /* where it runs; if it cannot, it does not run */
    int in, out;     /* become descriptors 0 and 1; -1 = /dev/null */
    bool last;       /* in line for the processor (SCHED_IDLE) */
    bool behind;     /* gets less of it than others do (nice), but some even on a busy machine */
    bool alone;      /* goes on when the worker ends; else it is sent SIGTERM then */
};

/* Starts a program from a worker. Its process, or -errno; one that could not exec ends with 127. */
MUST_CHECK int helper_process_exec(const struct helper_program *p);

/* ---- copies ---- */

/* Makes a copy of the process, which calls work(arg) and exits with what that returns. It is a
 * child without an exit signal, as a keeper is; the caller has to wait for it with __WCLONE. All
 * other threads are missing in it, and locks that they held stay locked. Its process, or -errno.
 * Takes the time of a fork. */
MUST_CHECK int helper_process_copy(int (*work)(void *arg), void *arg);

#endif
