/* SPDX-License-Identifier: MIT
 *
 * When a dump is made: on the dump signal, on pprof_dump(), when the live heap has grown, at the
 * end of the process, and before what ends the library's work in it (an exec, a filter on system
 * calls). Called by the hooks, the API and preload/init.c. It reads what only a thread of the
 * program may read (clocks and procfs of its threads), then asks the scribe
 * (preload/output/scribe.h), which writes one dump at a time. No lock; functions tagged SIGNAL_SAFE
 * may run at any instruction of the program.
 */
#ifndef PRELOAD_CONTROL_H
#define PRELOAD_CONTROL_H

#include "collectors/base/abi.h"

#include <signal.h>

/* before_dump() is called before each dump, in the thread that asks for it; it is SIGNAL_SAFE.
 * Constructor only. */
void control_start(void (*before_dump)(void));

/* The process that is profiled, 0 = none. In a vfork child, which shares its parent's memory, this
 * is the parent's id. */
int control_pid(void);

/* Asks for a dump of all enabled profiles and does not wait for it. Each call makes a dump of its
 * own, unless more than 256 are asked for and not yet written: those become one. context: the third
 * argument of the signal handler that calls this, NULL elsewhere. Any thread. */
SIGNAL_SAFE void control_dump(const void *context);

/* The same for pprof_dump(), and waits until the files are complete but for the names, which the
 * symboliser puts in later. 0 or the first -errno of a file; -EIO if the scribe was killed; -EPERM
 * in a vfork child, and once the end has begun. Any thread. */
int control_dump_wait(void);

/* The end of the process: makes the last dump, if PPROF_AT_EXIT says so, and waits until it is
 * written; in the first injected process, if it has one thread, also until it has its names, for at
 * most PPROF_EXIT_WAIT; in its children only where names could not follow. Afterwards no process of
 * ours is a child of the program, and names that are missing follow (adoption.h). From here on no
 * dump is begun. In the thread that ends the process; only the first call does anything, others
 * wait for it. */
void control_end(void);

/* The calling thread is about to exec: the same, without a wait for names. If the exec fails,
 * control_exec_failed() must follow, and the process goes on. */
void control_before_exec(void);
/* The process's id if the program that this one becomes has to see to names for files that this one
 * leaves; else 0. */
SIGNAL_SAFE int control_left_raw(void);

/* The same in the handler of a signal that will end the process (TERM, INT, HUP): does not wait for
 * names. Does nothing if another thread is already ending the process. */
SIGNAL_SAFE void control_end_by_signal(void);

/* Is this process profiled, or is it a vfork child of a process that is? Makes no system call. */
SIGNAL_SAFE bool control_is_profiled(void);

/* Is this the process whose signal handlers and masks preload/hooks/ keeps record of? False in a
 * vfork child, which has its own but shares the memory of the records. */
SIGNAL_SAFE bool control_is_here(void);

/* Makes the last dump now; from here on every request for one is ignored. */
void control_stand_down(void);

/* The program is about to change what it may do: its user, groups, capabilities, filters, root or
 * namespaces. What runs beside it leaves, and is collected. False: this is a vfork child, or the
 * process is not profiled; else control_after_change() must follow, which makes it anew. */
struct change {
    enum { CHANGE_NONE, CHANGE_RIGHTS, CHANGE_USER, CHANGE_ROOT } kind;
    uint32_t user;    /* CHANGE_USER: the effective one that it is to have */
    const char *root; /* CHANGE_ROOT: the folder that is to be it; NULL: not known */
};
MUST_CHECK SIGNAL_SAFE bool control_before_change(const struct change *c);
SIGNAL_SAFE void control_after_change(void);

/* In a child that may not make our system calls: it is not profiled, and writes nothing. */
SIGNAL_SAFE void control_keep_out(void);

/* The process is about to end inside daemon(), whose child goes on: as control_end(), but if there
 * turns out to be no child, control_exec_failed() must follow. */
void control_before_daemon(void);

/* The exec that control_before_exec() was called for has failed. */
void control_exec_failed(void);

/* The live heap has passed its last peak by PPROF_HEAP_GROWTH: asks for a dump and waits until it
 * is written, at most 0.1 s, so that it shows this moment. Called inside malloc. */
SIGNAL_SAFE void control_heap_grown(void);

/* Is this the signal that makes a running thread stand still (collectors/base/hold.h)? */
SIGNAL_SAFE bool control_is_park_signal(const siginfo_t *info);

/* At each tick of a thread's timer, in the handler: collects a scribe that has ended, so that no
 * zombie stays; with PPROF_INTERVAL, asks for the dump that is due where no scribe could be made to
 * do so by itself. Costs a few loads if there is nothing to do. */
SIGNAL_SAFE void control_tick(const void *context);

/* In a forked child, before it runs anything of the program. */
void control_fork_child(void);

#endif
