/* SPDX-License-Identifier: MIT
 *
 * See step.h. The thread sets its own trap flag, so that its SIGTRAP handler, on a stack of its
 * own, gets the registers before each instruction: a tracer without the two switches of process
 * that ptrace costs for each.
 *
 * The truth: a call pushes (slot, return address), read from where the processor has put it; a
 * return, or an indirect jump, pops whatever lies below the new stack pointer. That covers longjmp
 * and what the exception unwinder does at its end; a pop of the return address into a register
 * leaves the frame there until the jump through that register.
 *
 * Where a slot no longer holds what its call has pushed, the processor would not return as the
 * shadow stack says, and there is no truth: such steps are counted apart. (The exception unwinder
 * does that when it installs a handler's registers over those that it has saved.)
 *
 * Where the walk differs, libunwind steps from the same registers, frame by frame: if it goes wrong
 * too, the frame information is to blame (or saved registers were overwritten), if not, the walker.
 */
#include "test/unwind/step.h"

#include "collectors/base/abi.h"
#include "collectors/base/sys.h"
#include "collectors/snapshot.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/rules_check.h"
#include "collectors/stacks/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
    DEPTH_MAX = 480,
    TAIL_MAX = 16,
    PCS_MAX = 512,
    PLACES_MAX = 256,
    TALLIES_MAX = 32,
    TRAP_FLAG = 0x100
};

enum kind { OTHER, CALL, RETURN, JUMP, SYSCALL };

struct entry {
    uintptr_t slot, ret;
};

/* The function in which the walk was wrong, and how. */
struct place {
    uintptr_t function, pc; /* its start, and one of the instructions */
    long count;
    long cut;  /* all frames right as far as they go, then [truncated] */
    long ours; /* libunwind is right */

    const char *during;
};

/* What one name of step_run has come to. */
struct tally {
    const char *name;
    long steps, wrong;
};

static struct {
    struct entry entry[DEPTH_MAX];
    int depth;
    uintptr_t tail[TAIL_MAX]; /* above the first entry */
    int tail_length;
    struct stack_bounds bounds;
    uint32_t trail;

    uintptr_t pc, sp; /* of the instruction before */
    enum kind kind;
    long left; /* steps still to be looked at */
    struct tally *tally;

    long steps, overwritten, wrong, ours, frames, lost;
    struct place place[PLACES_MAX];
    int places;
    struct tally tallies[TALLIES_MAX];
} shadow;

/* ---- instructions ---- */

static enum kind decode(const uint8_t *at)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65};
    while (memchr(prefixes, *at, sizeof prefixes)) {
        at++;
    }
    if ((*at & 0xf0) == 0x40) { /* REX */
        at++;
    }
    switch (at[0]) {
    case 0xe8:
        return CALL;
    case 0xc2:
    case 0xc3:
        return RETURN;
    case 0xff:
        return (at[1] >> 3 & 7) == 2 ? CALL : (at[1] >> 3 & 7) == 4 ? JUMP : OTHER;
    case 0x0f:
        return at[1] == 0x05 ? SYSCALL : OTHER;
    default:
        return OTHER;
    }
}

static void pop_below(uintptr_t sp)
{
    while (shadow.depth > 0 && shadow.entry[shadow.depth - 1].slot < sp) {
        shadow.depth--;
    }
}

/* What the instruction before this one has done to the stack of calls. */
static void follow(uintptr_t pc, uintptr_t sp)
{
    enum { SYSCALL_BYTES = 2 };
    enum kind kind = shadow.kind;
    if (kind == SYSCALL && pc != shadow.pc + SYSCALL_BYTES) {
        /* The kernel traps one instruction late. */
        kind = decode((const uint8_t *)shadow.pc + SYSCALL_BYTES);
    }
    if (kind == CALL && sp == shadow.sp - sizeof sp) {
        pop_below(shadow.sp);
        if (shadow.depth == DEPTH_MAX) {
            shadow.lost++;
            return;
        }
        shadow.entry[shadow.depth++] = (struct entry){sp, *(const uintptr_t *)sp};
    } else if (kind == RETURN || kind == JUMP) {
        pop_below(sp);
    }
}

/* ---- comparison ---- */

/* Where the frame information of pc begins to apply. */
static uintptr_t function_of(uintptr_t pc)
{
    struct module m;
    int32_t start = 0;
    if (!module_find(&m, pc)) {
        return 0;
    }
    const struct check c = {&m, sys_readable, NULL};
    uintptr_t entry = check_find(&c, pc);
    if (entry) {
        memcpy(&start, (const void *)entry, sizeof start);
    }
    return entry ? m.frame_info + (uintptr_t)(intptr_t)start : 0;
}

static void note_wrong(uintptr_t pc, bool cut, bool ours)
{
    uintptr_t function = function_of(pc);
    int i = 0;
    while (i < shadow.places && shadow.place[i].function != function) {
        i++;
    }
    shadow.wrong++;
    shadow.tally->wrong++;
    shadow.ours += ours;
    if (i == PLACES_MAX) {
        return;
    }
    struct place *p = &shadow.place[i];
    if (i == shadow.places) {
        shadow.places++;
        *p = (struct place){.function = function, .pc = pc, .during = shadow.tally->name};
    }
    p->count++;
    p->cut += cut;
    p->ours += ours;
}

static bool load(void *arg, uintptr_t addr, uintptr_t *word)
{
    (void)arg;
    return sys_read_memory(word, addr, sizeof *word) == 0;
}

/* Whether libunwind, with all registers, gives the n frames. */
static bool libunwind_gives(const struct regs *from, const uintptr_t *truth, int n)
{
    const struct stack_memory mem = {load, NULL};
    struct regs at = *from;
    for (int i = 0; i < n; i++) {
        struct regs next;
        bool signal_frame;
        if (at.pc != truth[i]) {
            return false;
        }
        int ret = rules_step(&at, &next, &mem, false, &signal_frame);
        if (ret == 0 || (ret == 1 && next.pc == 0)) {
            return i == n - 1;
        }
        if (ret < 0) {
            return false;
        }
        at = next;
    }
    return false;
}

static void compare(const ucontext_t *uc, uintptr_t pc)
{
    static uintptr_t pcs[PCS_MAX];
    static uintptr_t truth[PCS_MAX];
    struct regs r;
    int n = 0;
    truth[n++] = pc + 1;
    for (int i = shadow.depth - 1; i >= 0; i--) {
        if (*(const uintptr_t *)shadow.entry[i].slot != shadow.entry[i].ret) {
            shadow.overwritten++;
            return;
        }
        truth[n++] = shadow.entry[i].ret;
    }
    for (int i = 0; i < shadow.tail_length; i++) {
        truth[n++] = shadow.tail[i];
    }
    regs_from_context(&r, uc);
    struct stack_bounds no_trail = shadow.bounds;
    no_trail.trail = NULL;
    int plain = unwind(&r, &no_trail, pcs, PCS_MAX);
    bool plain_right = plain == n && memcmp(pcs, truth, (size_t)n * sizeof truth[0]) == 0;
    int got = unwind(&r, &shadow.bounds, pcs, PCS_MAX);
    shadow.frames += got;
    if (plain_right && got == n && memcmp(pcs, truth, (size_t)n * sizeof truth[0]) == 0) {
        return;
    }

    bool cut = pcs[got - 1] == PSEUDO_TRUNCATED && got <= n &&
               memcmp(pcs, truth, (size_t)(got - 1) * sizeof truth[0]) == 0;
    note_wrong(pc, cut, libunwind_gives(&r, truth, n));
}

static void on_trap(int sig, siginfo_t *si, void *context)
{
    (void)sig, (void)si;
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    uintptr_t pc = (uintptr_t)g[REG_RIP];
    uintptr_t sp = (uintptr_t)g[REG_RSP];
    if (shadow.left == 0) {
        g[REG_EFL] &= ~TRAP_FLAG;
        return;
    }
    bool again = pc == shadow.pc && sp == shadow.sp; /* a repeated string instruction */
    if (!again) {
        follow(pc, sp);
        shadow.steps++;
        shadow.tally->steps++;
        shadow.left--;
        compare(uc, pc);
    }
    shadow.pc = pc;
    shadow.sp = sp;
    shadow.kind = decode((const uint8_t *)pc);
}

/* ---- running ---- */

int step_start(void)
{
    struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&sa.sa_mask);
    return sigaction(SIGTRAP, &sa, NULL) != 0 ? -errno : rules_start(true);
}

static void find_bounds(void)
{
    pthread_attr_t attr;
    void *lo;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attr) != 0 ||
        pthread_attr_getstack(&attr, &lo, &bytes) != 0) {
        abort();
    }
    pthread_attr_destroy(&attr);
    shadow.bounds = (struct stack_bounds){
        .lo = (uintptr_t)lo, .hi = (uintptr_t)lo + bytes, .trail = &shadow.trail};
}

/* Both take effect behind the instruction that follows popf. */
static inline __attribute__((always_inline)) void set_trap_flag(void)
{
    __asm__ volatile("sub $128, %%rsp\n" /* what the compiler may keep below the stack pointer */
                     "pushf\n"
                     "orl %0, (%%rsp)\n"
                     "popf\n"
                     "lea 128(%%rsp), %%rsp\n" ::"i"(TRAP_FLAG)
                     : "memory", "cc");
}

static inline __attribute__((always_inline)) void clear_trap_flag(void)
{
    __asm__ volatile("sub $128, %%rsp\n"
                     "pushf\n"
                     "andl %0, (%%rsp)\n"
                     "popf\n"
                     "lea 128(%%rsp), %%rsp\n" ::"i"(~TRAP_FLAG)
                     : "memory", "cc");
}

static struct tally *tally_of(const char *name)
{
    int i = 0;
    while (i < TALLIES_MAX - 1 && shadow.tallies[i].name &&
           strcmp(shadow.tallies[i].name, name) != 0) {
        i++;
    }
    shadow.tallies[i].name = name;
    return &shadow.tallies[i];
}

/* The frame pointer makes the slot of its return address known, and every push above visible. */
__attribute__((noinline, noclone, optimize("no-omit-frame-pointer"))) void
step_run(const char *name, void (*fn)(void *), void *arg, long steps)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    stack_t old;
    void *above[TAIL_MAX];
    sigaltstack(&ss, &old);
    find_bounds();
    uintptr_t ret = (uintptr_t)__builtin_return_address(0);
    int n = backtrace(above, TAIL_MAX);
    int i = 0;
    while (i < n && (uintptr_t)above[i] != ret) {
        i++;
    }
    shadow.tail_length = 0;
    for (i++; i < n; i++) {
        shadow.tail[shadow.tail_length++] = (uintptr_t)above[i];
    }
    uintptr_t slot = (uintptr_t)__builtin_frame_address(0) + sizeof(uintptr_t);
    shadow.entry[0] = (struct entry){slot, ret};
    shadow.depth = 1;
    shadow.kind = OTHER;
    shadow.pc = shadow.sp = 0;
    shadow.tally = tally_of(name);

    shadow.left = steps;
    set_trap_flag();
    fn(arg);
    clear_trap_flag();
    ss.ss_flags = SS_DISABLE;
    sigaltstack(&ss, NULL);
}

long step_steps(void)
{
    return shadow.steps;
}

/* ---- report ---- */

static int by_count(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

void step_report(void)
{
    printf("{\"steps\": %ld, \"overwritten\": %ld, \"wrong\": %ld, \"ours\": %ld, \"frames\": %ld, "
           "\"lost\": %ld, "
           "\"places\": [",
           shadow.steps, shadow.overwritten, shadow.wrong, shadow.ours, shadow.frames, shadow.lost);
    qsort(shadow.place, (size_t)shadow.places, sizeof shadow.place[0], by_count);
    for (int i = 0; i < shadow.places; i++) {
        const struct place *p = &shadow.place[i];
        Dl_info info = {0};
        dladdr((void *)p->pc, &info);
        const char *file = info.dli_fname ? info.dli_fname : "?";
        const char *slash = strrchr(file, '/');
        bool named = info.dli_saddr && (uintptr_t)info.dli_saddr >= p->function;
        printf("%s{\"where\": \"%s+%lx %s+%ld\", \"count\": %ld, \"cut\": %ld, \"ours\": %ld, "
               "\"during\": \"%s\"}",
               i ? ", " : "", slash ? slash + 1 : file,
               (unsigned long)(p->pc - (uintptr_t)info.dli_fbase), named ? info.dli_sname : "?",
               (long)(p->pc - p->function), p->count, p->cut, p->ours, p->during);
    }
    printf("], \"cases\": {");
    for (int i = 0; i < TALLIES_MAX && shadow.tallies[i].name; i++) {
        printf("%s\"%s\": [%ld, %ld]", i ? ", " : "", shadow.tallies[i].name,
               shadow.tallies[i].steps, shadow.tallies[i].wrong);
    }
    printf("}}\n");
}
