/* SPDX-License-Identifier: MIT
 *
 * A sleep that only a signal of ours has cut goes on. The kernel ends poll(), nanosleep() and many
 * other calls with EINTR as soon as a handler has run, whatever its flags (signal(7)); the program,
 * which has no handler for that signal, need not expect EINTR.
 *
 * Our handler calls cut_mark(). Where it has interrupted a system call of a hook's that is about to
 * return EINTR, it leaves a mark for the hook, and all signals blocked from its return on. So no
 * handler of the program's can run unseen before the hook sleeps again, for what is left of its
 * time. It does so by a call that lets the program's signals in while it sleeps: the same one, if
 * that is given a mask, or ppoll(). A signal that has come meanwhile ends the call with EINTR, as
 * it should. Where ppoll() cannot stand for the call, it is asked first whether a signal has come
 * (cut_retry()), and then the same call is made again; a signal that comes between the two runs its
 * handler before the call, as it may in front of any call.
 *
 * Other handlers of the same signals may follow on ours, the program's or libc's. In a call that is
 * given a mask the kernel tells ours of the mask from before it; cut_interrupted_mask() knows the
 * one that such a handler is to find.
 *
 * ppoll() is among the calls that a filter on system calls must allow us (syscall_trial.c).
 *
 * Any thread. The marks are in struct sleep_note (self.h).
 */
#ifndef PRELOAD_CUT_H
#define PRELOAD_CUT_H

#include "collectors/base/self.h"
#include "collectors/base/ticks.h"

#include <signal.h>
#include <time.h>

/* At the start of a handler of ours that calls no handler of the program's. SIGNAL_SAFE. */
SIGNAL_SAFE void cut_mark(void *context);

/* In a handler of ours, before libc's handler is run: a thread that is cancelled in there, at a
 * call that is marked, runs its cleanup with the program's mask. SIGNAL_SAFE. */
SIGNAL_SAFE void cut_forget(void *context);

/* In any handler of ours, after those: the signals that were blocked where it has interrupted the
 * thread. SIGNAL_SAFE. */
SIGNAL_SAFE uint64_t cut_interrupted_mask(const void *context);

/* In a hook, after sleep_note_ends(): was the call cut by our signal alone? Then all signals are
 * blocked, until cut_ends(). */
static inline __attribute__((always_inline)) bool cut_was(void)
{
    return UNLIKELY(self.sleep.cut == (uintptr_t)__builtin_frame_address(0));
}

/* A call that goes on. */
struct cut {
    uintptr_t frame, caller;       /* the hook's, */
    const struct sleep_call *call; /* and what it calls */
    sigset_t mask;                 /* the signals that the program blocks */
    int64_t at;                    /* when the handler began, CLOCK_MONOTONIC, ns */
    int error;                     /* errno before the call */
};

/* Takes the mark of the calling thread. */
struct cut cut_begins(void);

/* Before and after the real function is called again. set: the signals that it blocks meanwhile, or
 * NULL. result: negative if the call has failed; errno else becomes what it was before the call.
 * True: it was cut again. */
void cut_before(const struct cut *c, const void *set);
bool cut_again(const struct cut *c, int result);

/* The value of `call`, made as often as it is cut, with all signals blocked but for the time that
 * it waits: it blocks those at set itself. It is a cancellation point. */
#define CUT_GOES_ON(c, set, call)                                                                  \
    ({                                                                                             \
        __typeof__(call) value_;                                                                   \
        do {                                                                                       \
            cut_look_for_cancellation(c);                                                          \
            cut_before(c, set);                                                                    \
            value_ = (call);                                                                       \
        } while (cut_again(c, (int)value_));                                                       \
        cut_ends(c);                                                                               \
        value_;                                                                                    \
    })

/* A thread that has been cancelled ends here, with the program's mask. */
void cut_look_for_cancellation(const struct cut *c);

/* The program's mask is the thread's again; errno stays. */
void cut_ends(const struct cut *c);

/* For calls that ppoll() cannot stand for. True: the call is to be made again, and the program's
 * mask is the thread's again. False: a signal for a handler of the program's has come meanwhile; it
 * has run, and errno is EINTR. No cancellation point. */
bool cut_retry(const struct cut *c);

/* ---- time ---- */

/* CLOCK_MONOTONIC, ns. */
static inline int64_t cut_clock(void)
{
    struct timespec t = {0, 0};
    if (UNLIKELY(ticks_counter_is_forbidden())) { /* the vDSO would read it */
        return sys_clock_ns(CLOCK_MONOTONIC);
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* When a call that began at cut_clock() and was to take that long has to end. INT64_MAX where ns is
 * negative: never. */
static inline int64_t cut_deadline(int64_t since, int64_t ns)
{
    return ns < 0 ? INT64_MAX : since + ns;
}

/* What is left until then. NULL: without end; else left, which is never negative. */
struct timespec *cut_left(struct timespec *left, int64_t deadline);

/* ns of a time that the kernel has accepted, without overflow. */
int64_t cut_ns(const struct timespec *t);

#endif
