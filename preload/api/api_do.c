/* SPDX-License-Identifier: MIT
 *
 * See api_do.h. The frame of api_do_call() has a personality routine of ours: in the cleanup phase
 * of an unwinding it puts the labels back and lets the unwinding go on. So there is no landing pad
 * and nothing of libgcc's to depend on. Which call it is about, the routine knows from a list that
 * each thread keeps on its stack, the innermost call first; what a longjmp has left in it lies
 * below the frame that makes or ends the next entry, and is taken out there. Its memory may be
 * something else's by then, so it is read only under its seal; entries outside of one that is
 * broken are lost to the unwinding, not to their own returns.
 */
#include "preload/api/api_do.h"

#include "collectors/base/arch/stubs.h"
#include "collectors/base/hash.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/labels.h"

struct api_call {
    struct api_call *outer;
    const struct labels *before, *merged;
    uint64_t seal; /* over the above: what a longjmp has left may have been overwritten */
};

static uint64_t seal_of(const struct api_call *c)
{
    uint64_t h = hash_words((uintptr_t)c, (uintptr_t)c->outer, (uintptr_t)c->before);
    return h + (uintptr_t)c->merged;
}

/* Is it an entry still? Asked of those alone that may be none: its stack may even be gone. */
static bool is_whole(const struct api_call *c)
{
    return c && sys_readable((uintptr_t)c) && sys_readable((uintptr_t)&c->seal) &&
           c->seal == seal_of(c);
}

/* Entries of this stack below the frame at `here` are of calls that a longjmp has left. */
static void forget_left(const char *here)
{
    bool own = (uintptr_t)here - self.stack_lo < self.stack_hi - self.stack_lo;
    while (self.calls && own && (const char *)self.calls < here &&
           (uintptr_t)self.calls - self.stack_lo < self.stack_hi - self.stack_lo) {
        const struct api_call *left = self.calls;
        self.calls = is_whole(left) ? left->outer : NULL;
    }
}

/* Most calls are the innermost one; not that of one of several stacks (swapcontext). */
static void take_out(struct api_call *c)
{
    struct api_call *inner = self.calls;
    while (inner != c && is_whole(inner) && inner->outer != c) {
        inner = inner->outer;
    }
    if (inner == c || !is_whole(inner)) {
        self.calls = c->outer;
    } else {
        inner->outer = c->outer;
        inner->seal = seal_of(inner);
    }
}

static void restore(struct api_call *c)
{
    forget_left((const char *)c);
    take_out(c);
    labels_carry(c->before);
    labels_unref(c->merged);
}

/* As the Itanium C++ ABI has it: 8 = _URC_CONTINUE_UNWIND, 2 = _UA_CLEANUP_PHASE. */
__attribute__((used)) static int personality(int version, int actions, uint64_t exception_class,
                                             void *exception, void *context)
{
    enum { CONTINUE_UNWIND = 8, CLEANUP_PHASE = 2 };
    (void)version, (void)exception_class, (void)exception, (void)context;
    if (actions & CLEANUP_PHASE) {
        forget_left(__builtin_frame_address(0));
        if (is_whole(self.calls)) {
            restore(self.calls);
        }
    }
    return CONTINUE_UNWIND;
}

ARCH_CALL_UNWOUND(api_do_call, "pprof_below", personality, const struct labels *, void *)

BELOW_PROGRAM void api_do(const struct labels *before, const struct labels *merged,
                          void (*f)(const struct labels *, void *), void *arg)
{
    forget_left(__builtin_frame_address(0));
    struct api_call c = {.outer = self.calls, .before = before, .merged = merged};
    c.seal = seal_of(&c);
    self.calls = &c;
    api_do_call(f, merged, arg);
    restore(&c);
}
