/* SPDX-License-Identifier: MIT
 *
 * See cut.h. Our handlers call cut_mark() at any instruction; all else is called by hooks, in the
 * rare case.
 */
#include "preload/hooks/cut.h"

#include "collectors/base/hold.h"
#include "collectors/base/sys.h"
#include "collectors/threads/sleep_note.h"
#include "preload/hooks/real.h"

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

void cut_mark(void *context)
{
    if (arch_thread_pointer() == 0) {
        return;
    }
    struct sleep_note *note = &self.sleep;
    uintptr_t words[ARCH_WORDS]; /* pc, stack pointer, … */
    arch_context_words(context, words);
    /* The system call is the hook's own, not one of a handler that has interrupted the hook's. */
    if (note->cut == note->frame || /* marked, and the mask in the context is ours */
        note->frame - words[1] >= SLEEP_NOTE_REACH || !note->call->goes_on ||
        !is_cut(context, words[0], note->call->goes_on)) {
        return;
    }
    ucontext_t *uc = context;
    /* libc's cancellation points do not return from a cut system call until the signal of a
     * cancellation has come, if there is one. It is also that of our timers. */
    uint64_t blocked = ~(FAULTS | BIT(LIBC_SIGNAL_CANCEL));
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
    arch_context_words(context, words);
    if (note && note->frame && note->cut == note->frame &&
        note->frame - words[1] < SLEEP_NOTE_REACH) {
        ucontext_t *uc = context;
        memcpy(&uc->uc_sigmask, &note->mask, sizeof note->mask);
        note->cut = 0;
    }
}

/* ---- in hooks ---- */

struct cut cut_begins(void)
{
    struct cut c = {self.sleep.cut, self.sleep.call, self.sleep.mask, self.sleep.cut_at,
                    self.sleep.cut_errno};
    self.sleep.cut = 0;
    return c;
}

sigset_t cut_mask(const struct cut *c)
{
    sigset_t set;
    sigemptyset(&set);
    memcpy(&set, &c->mask, sizeof c->mask);
    return set;
}

void cut_before(const struct cut *c)
{
    self.sleep.call = c->call;
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

void cut_ends(const struct cut *c)
{
    sys_restore_signals(c->mask);
    hold_here();
}

bool cut_retry(const struct cut *c)
{
    static const struct timespec at_once;
    sigset_t mask = cut_mask(c);
    int result;
    do { /* a signal that has come ends this; one of ours, the second time, does not */
        cut_before(c);
        result = real_sleeps.ppoll(NULL, 0, &at_once, &mask);
    } while (cut_again(c, result));
    cut_ends(c);
    return result == 0;
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
