/* SPDX-License-Identifier: MIT
 *
 * What the hooks share of functions that may sleep in the kernel. Each notes where its thread
 * waits, for the profile of all threads (collectors/threads/sleep_note.h), and makes the call again
 * if a signal of ours has cut it (cut.h); and it stands still while the process ends
 * (collectors/base/hold.h). The note is a few stores; there is no branch before the real call, and
 * two after it.
 */
#ifndef PRELOAD_HOOK_SLEEP_H
#define PRELOAD_HOOK_SLEEP_H

#include "collectors/base/hold.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/sleep_note.h"
#include "preload/hooks/cut.h"
#include "preload/hooks/real.h"

#include <errno.h>

/* The value of a call of a real function, noted. number: of the system call that it makes, -1 =
 * several. on: SLEEP_IS_RESTARTED, or the hook looks at cut_was() afterwards. */
#define NOTED(function_, number_, on, ...)                                                         \
    NOTED_IN(&(function_), function_, NULL, number_, on, __VA_ARGS__)

/* The same where the pointer at slot may have another type than the function, and the call may
 * block other signals while it waits: those at set. */
#define NOTED_IN(slot, function_, set, number_, on, ...)                                           \
    ({                                                                                             \
        static const struct sleep_call call_ = {slot, number_, on};                                \
        sleep_note_begins(&call_, set);                                                            \
        __typeof__((function_)(__VA_ARGS__)) noted_ = (function_)(__VA_ARGS__);                    \
        sleep_note_ends();                                                                         \
        noted_;                                                                                    \
    })

/* The same, and if the process has meanwhile begun to end, the thread stands still (hold.h). Not
 * for calls that have taken something by then, such as a lock. */
#define SLEEPS(function_, number_, on, ...) SLEEPS_MASKED(NULL, function_, number_, on, __VA_ARGS__)

/* The same of a call that blocks the signals at set while it waits (NULL: no others). */
#define SLEEPS_MASKED(set, function_, number_, on, ...)                                            \
    ({                                                                                             \
        __typeof__((function_)(__VA_ARGS__)) slept_ =                                              \
            NOTED_IN(&(function_), function_, set, number_, on, __VA_ARGS__);                      \
        hold_here();                                                                               \
        slept_;                                                                                    \
    })

#endif
