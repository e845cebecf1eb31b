/* SPDX-License-Identifier: MIT
 *
 * See cut.h. Our handlers call cut_mark() at any instruction; all else is called by hooks, in the
 * rare case.
 */
#include "preload/hooks/cut.h"

#include "collectors/base/arch/stubs.h"
#include "collectors/base/hold.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/sys.h"
#include "collectors/threads/sleep_note.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

#define BIT(sig) (1ULL << ((sig)-1))
#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

/* Whether code that was interrupted there is about to return from a system call that was cut. */
static bool is_cut(const void *context, uintptr_t pc, int goes_on)
{
    long result = arch_context_result(context);
    return (result == -EINTR || (result > 0 && goes_on == SLEEP_GOES_ON_IN_PARTS)) &&
           pc % ARCH_PAGE_LEAST >= ARCH_SYSCALL_BYTES && /* the page before may not be there */
           arch_is_system_call((const uint8_t *)pc - ARCH_SYSCALL_BYTES); // NOLINT: an address
}

/* Whether the frame is still the hook's. The note of one that was left by longjmp() stays, and
 * another function may make its system call there; but the word that said where the hook returns to
 * is another function's by then, or the frame pointer is: functions below the hook keep it, or have
 * saved it. */
static bool is_there(const struct sleep_note *note, const uintptr_t *words)
{
    uintptr_t caller[3];
    if (!sys_readable(note->frame)) {
        return false;
    }
    arch_caller_of_frame(note->frame, (const uintptr_t *)note->frame, caller); // NOLINT: an address
    bool kept = words[2] == note->frame;
    for (uintptr_t at = words[1] & ~(sizeof at - 1); at < note->frame && !kept; at += sizeof at) {
        kept = *(const uintptr_t *)at == note->frame; // NOLINT: an address
    }
    return kept && caller[0] == note->caller;
}

/* The note of the hook whose own system call was interrupted and is about to return, not one of a
 * handler that has interrupted the hook's; or NULL. */
static struct sleep_note *cut_call(const void *context)
{
    if (arch_thread_pointer() == 0) {
        return NULL;
    }
    struct sleep_note *note = &self.sleep;
    uintptr_t words[ARCH_WORDS]; /* pc, stack pointer, frame pointer, … */
    arch_context_words(context, words);
    return note->frame - words[1] < SLEEP_NOTE_REACH && note->call->goes_on &&
                   is_cut(context, words[0], note->call->goes_on) && is_there(note, words)
               ? note
               : NULL;
}

void cut_mark(void *context)
{
    struct sleep_note *note = cut_call(context);
    if (!note || note->cut == note->frame || /* marked, and the mask in the context is ours */
        !control_is_profiled()) {            /* a filter may forbid what follows */
        return;
    }
    ucontext_t *uc = context;
    /* libc's cancellation points do not return from a cut system call until the signal of a
     * cancellation has come, if there is one. It is also that of our timers. And for libc's signal
     * for changes of credentials another thread waits. */
    uint64_t blocked = ~(FAULTS | BIT(LIBC_SIGNAL_CANCEL) | BIT(LIBC_SIGNAL_SETXID));
    memcpy(&note->mask, &uc->uc_sigmask, sizeof note->mask);
    blocked |= note->mask;
    memcpy(&uc->uc_sigmask, &blocked, sizeof blocked);
    note->cut_errno = errno; /* libc has not yet set it */
    note->cut_at = sys_clock_ns(CLOCK_MONOTONIC);
    note->cut = note->frame;
}

void cut_forget(void *context)
{
    struct sleep_note *note = arch_thread_pointer() ? &self.sleep : NULL;
    uintptr_t words[ARCH_WORDS];
    arch_context_words(context, words); /* the system call may have returned by now */
    if (note && note->frame && note->cut == note->frame &&
        note->frame - words[1] < SLEEP_NOTE_REACH) {
        ucontext_t *uc = context;
        memcpy(&uc->uc_sigmask, &note->mask, sizeof note->mask);
        note->cut = 0;
    }
}

uint64_t cut_interrupted_mask(const void *context)
{
    const struct sleep_note *note = cut_call(context);
    const ucontext_t *uc = context;
    uint64_t mask;
    memcpy(&mask, note && note->set ? note->set : (const void *)&uc->uc_sigmask, sizeof mask);
    return mask;
}

/* ---- in hooks ---- */

struct cut cut_begins(void)
{
    struct cut c = {.frame = self.sleep.cut,
                    .caller = self.sleep.caller,
                    .call = self.sleep.call,
                    .at = self.sleep.cut_at,
                    .error = self.sleep.cut_errno};
    sigemptyset(&c.mask);
    memcpy(&c.mask, &self.sleep.mask, sizeof self.sleep.mask);
    self.sleep.cut = 0;
    return c;
}

void cut_before(const struct cut *c, const void *set)
{
    self.sleep.call = c->call;
    self.sleep.caller = c->caller; /* a handler of the program's may have called hooks */
    self.sleep.set = set;
    STORE_RELEASE(&self.sleep.frame, c->frame);
}

bool cut_again(const struct cut *c, int result)
{
    STORE_RELEASE(&self.sleep.frame, 0);
    if (result >= 0) {
        errno = c->error;
    }
    bool again = self.sleep.cut == c->frame;
    self.sleep.cut = 0;
    return again;
}

static void restore_mask(const struct cut *c)
{
    uint64_t mask;
    memcpy(&mask, &c->mask, sizeof mask);
    sys_restore_signals(mask);
}

void cut_ends(const struct cut *c)
{
    restore_mask(c);
    hold_here();
}

bool cut_retry(const struct cut *c)
{
    long result;
    do { /* a signal that has come ends this; one of ours, the second time, does not */
        struct timespec at_once = {0, 0};
        cut_before(c, &c->mask);
        result = sys_call5(SYS_ppoll, NULL, 0, &at_once, &c->mask, sizeof(uint64_t));
    } while (cut_again(c, (int)result));
    cut_ends(c);
    if (result != 0) {
        errno = EINTR;
    }
    return result == 0;
}

/* ---- cancellation ---- */

/* The unwinder calls it when a cancellation comes to the frame of call_testcancel(). As the Itanium
 * C++ ABI has it: 8 = _URC_CONTINUE_UNWIND, 2 = _UA_CLEANUP_PHASE. */
__attribute__((used)) static int personality(int version, int actions, uint64_t exception_class,
                                             void *exception, void *context)
{
    enum { CONTINUE_UNWIND = 8, CLEANUP_PHASE = 2 };
    (void)version, (void)exception_class, (void)exception, (void)context;
    if (actions & CLEANUP_PHASE) {
        sys_restore_signals(self.sleep.mask); /* no handler has run since cut_mark() */
    }
    return CONTINUE_UNWIND;
}

static void testcancel(const void *a, void *b)
{
    (void)a, (void)b;
    real_waits.testcancel();
}

ARCH_CALL_UNWOUND(call_testcancel, "pprof_below", personality, const void *, void *)

void cut_look_for_cancellation(const struct cut *c)
{
    memcpy(&self.sleep.mask, &c->mask, sizeof self.sleep.mask);
    call_testcancel(testcancel, NULL, NULL);
}

/* ---- time ---- */

int64_t cut_ns(const struct timespec *t)
{
    const int64_t most = INT64_MAX / 4 / NSEC_PER_SEC;
    return (t->tv_sec < most ? t->tv_sec : most) * NSEC_PER_SEC + t->tv_nsec;
}

struct timespec *cut_left(struct timespec *left, int64_t deadline)
{
    if (deadline == INT64_MAX) {
        return NULL;
    }
    int64_t ns = deadline - sys_clock_ns(CLOCK_MONOTONIC);
    ns = ns > 0 ? ns : 0;
    *left = (struct timespec){ns / NSEC_PER_SEC, ns % NSEC_PER_SEC};
    return left;
}
