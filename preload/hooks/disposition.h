/* SPDX-License-Identifier: MIT
 *
 * What the program believes of its signal handlers, where the kernel knows another truth: for the
 * signals that the library handles (own_signals.c). The program's calls (hook_signal.c) change it
 * and read it back.
 *
 * Any thread. Reading takes no lock and runs in signal handlers; writing takes a spin lock, with
 * all signals blocked.
 */
#ifndef PRELOAD_DISPOSITION_H
#define PRELOAD_DISPOSITION_H

#include "collectors/base/abi.h"
#include "collectors/base/lock.h"

#include <signal.h>

/* What the program believes is installed for one signal. Handlers read it at any instruction: the
 * copy in force is program[version % 2], and a writer fills the other copy before it counts the
 * version up. So a reader, or a child that is forked meanwhile, never finds a copy half written. */
struct disposition {
    int signal; /* 0 = the library does not handle it */
    struct lock writers;
    uint32_t version;
    struct sigaction program[2];
};

/* The dump signal, and from OURS_FATAL on SIGTERM, SIGINT and SIGHUP. */
enum { OURS_DUMP, OURS_FATAL, OURS_COUNT = OURS_FATAL + 3 };
extern HIDDEN struct disposition dispositions[OURS_COUNT];

/* The row of a signal that the library handles, or NULL; always NULL in a vfork child. */
SIGNAL_SAFE struct disposition *disposition_find(int sig);

SIGNAL_SAFE struct sigaction disposition_read(const struct disposition *d);
void disposition_write(struct disposition *d, const struct sigaction *act);

/* Is that the default action? Is it a function, and not SIG_DFL or SIG_IGN? */
SIGNAL_SAFE bool disposition_is_default(const struct sigaction *act);
SIGNAL_SAFE bool disposition_is_function(const struct sigaction *act);

/* In a handler of ours for d's signal, with the handler's third argument: the program's handler, to
 * be run next, with the thread's mask set as the kernel would have for it; or NULL. */
SIGNAL_SAFE void *disposition_handler(struct disposition *d, int sig, const void *context);

#endif
