/* SPDX-License-Identifier: MIT
 *
 * See api_do.h. An exception, pthread_exit() and cancellation unwind the stack. The unwind
 * information of api_do_call() names personality() here, which the unwinder calls when it comes to
 * that frame: in the cleanup phase personality() puts the labels back and lets the unwinding go on.
 * So no landing pad is needed, and no function of libgcc.
 *
 * Which call the frame belongs to, personality() knows from self.calls: a list of the thread's
 * calls under way, the innermost first, whose entries lie in the stack frames of api_do(). A
 * longjmp leaves frames without any code of ours being run, and their entries stay in the list.
 * They lie below the stack pointer then, and are taken out when the next entry is made or ended.
 * Until then their memory may have been overwritten, so an entry is believed only if its seal is
 * right. Where a seal is broken, the entries outside of it cannot be found by an unwinding any
 * more; each of those calls still restores its labels when it returns.
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
    uint64_t seal; /* a hash of the above and of the entry's address */
};

static uint64_t seal_of(const struct api_call *c)
{
    uint64_t h = hash_words((uintptr_t)c, (uintptr_t)c->outer, (uintptr_t)c->before);
    return h + (uintptr_t)c->merged;
}

/* Is there still an entry at c? Its stack may even have been unmapped since. */
static bool is_whole(const struct api_call *c)
{
    return c && sys_readable((uintptr_t)c) && sys_readable((uintptr_t)&c->seal) &&
           c->seal == seal_of(c);
}

/* Takes out the calls that a longjmp has left: on the thread's own stack, entries that lie below
 * the frame at `here`. */
static void forget_left(const char *here)
{
    bool own = (uintptr_t)here - self.stack_lo < self.stack_hi - self.stack_lo;
    while (self.calls && own && (const char *)self.calls < here &&
           (uintptr_t)self.calls - self.stack_lo < self.stack_hi - self.stack_lo) {
        const struct api_call *left = self.calls;
        self.calls = is_whole(left) ? left->outer : NULL;
    }
}

/* Takes c out of the list. It is the innermost entry, unless the thread changes between stacks
 * (swapcontext) and ends its calls in another order than it began them. */
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
