/* SPDX-License-Identifier: MIT
 *
 * See api_do.h. The frame of api_do_call() has a personality routine of ours: in the cleanup phase
 * of an unwinding it puts the labels back and lets the unwinding go on. So there is no landing pad
 * and nothing of libgcc's to depend on. Which call it is about, the routine knows from a list that
 * each thread keeps on its stack, the innermost call first; what a longjmp has left in it lies
 * below the frame that makes the next entry, and is taken out there.
 */
#include "preload/api_do.h"

#include "collectors/base/self.h"
#include "collectors/labels.h"
#include "collectors/stack.h"

struct api_call {
    struct api_call *outer;
    const struct labels *before, *merged;
};

static void restore(struct api_call *c)
{
    struct api_call **at = &self.calls;
    while (*at && *at != c) {
        at = &(*at)->outer;
    }
    if (*at) {
        *at = c->outer;
    }
    labels_carry(c->before);
    labels_unref(c->merged);
}

/* As the Itanium C++ ABI has it: 8 = _URC_CONTINUE_UNWIND, 2 = _UA_CLEANUP_PHASE. */
__attribute__((used)) static int personality(int version, int actions, uint64_t exception_class,
                                             void *exception, void *context)
{
    enum { CONTINUE_UNWIND = 8, CLEANUP_PHASE = 2 };
    (void)version, (void)exception_class, (void)exception, (void)context;
    if ((actions & CLEANUP_PHASE) && self.calls) {
        restore(self.calls);
    }
    return CONTINUE_UNWIND;
}

/* f in rdi, its arguments in rsi and rdx. */
__attribute__((naked, section("pprof_below"))) static void
api_do_call(__attribute__((unused)) void (*f)(const struct labels *, void *),
            __attribute__((unused)) const struct labels *merged, __attribute__((unused)) void *arg)
{
    __asm__(".cfi_personality 0x1b, personality\n" /* relative to here, 4 bytes */
            "push %rbp\n"
            ".cfi_def_cfa_offset 16\n"
            ".cfi_offset %rbp, -16\n"
            "mov %rsp, %rbp\n"
            ".cfi_def_cfa_register %rbp\n"
            "mov %rdi, %rax\n"
            "mov %rsi, %rdi\n"
            "mov %rdx, %rsi\n"
            "call *%rax\n"
            "pop %rbp\n"
            ".cfi_def_cfa %rsp, 8\n"
            "ret\n");
}

/* Entries of this stack below the frame at `here` are of calls that a longjmp has left. */
static void forget_left(const char *here)
{
    bool own = (uintptr_t)here - self.stack_lo < self.stack_hi - self.stack_lo;
    while (self.calls && own && (const char *)self.calls < here &&
           (uintptr_t)self.calls - self.stack_lo < self.stack_hi - self.stack_lo) {
        self.calls = self.calls->outer;
    }
}

BELOW_PROGRAM void api_do(const struct labels *before, const struct labels *merged,
                          void (*f)(const struct labels *, void *), void *arg)
{
    forget_left(__builtin_frame_address(0));
    struct api_call c = {self.calls, before, merged};
    self.calls = &c;
    api_do_call(f, merged, arg);
    restore(&c);
}
