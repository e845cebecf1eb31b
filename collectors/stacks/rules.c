/* SPDX-License-Identifier: MIT
 *
 * How a rule is made without reading call frame information ourselves: libunwind steps once from a
 * frame whose stack and frame pointers are made-up addresses that no memory has. A read there is
 * answered with the name of the place that was read, so the caller's pc, sp and bp come back as the
 * names of the slots that hold them, and these, less the made-up pointers, are the rule:
 *
 *   pc read from S + 24, sp = S + 32, bp read from S + 16   →   CFA = sp + 32, bp at CFA − 16
 *
 * Any other register and any other memory is refused, which shows that the frame depends on it.
 * Where the frame information holds an expression, the question is asked twice from different
 * pointers: what is not linear in them, such as an alignment, answers differently. Whatever is not
 * exactly of this form is left to rules_step.
 *
 * Contexts: rules_find and rules_step run anywhere, signal handlers and threads without a thread
 * block included, with all signals blocked, the rules lock held and the private stack below them.
 * A handler therefore never interrupts a holder on its own thread, and waits for a bounded time for
 * one on another.
 */
#include "collectors/stacks/rules.h"

#include "collectors/base/lock.h"
#include "collectors/stacks/rules_libunwind.h"
#include "collectors/stacks/rules_module.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

static struct lock rules_lock;
static bool ready;
READ_OFTEN uint32_t rules_generation_now = 1;

/* A step holds the lock for 1 to 3 µs, but its holder may lose its processor for some time slices:
 * a stack given up for that would be missing from an exact profile. So many tries, most of them
 * asleep in between (lock.c), are about 100 ms. Who has waited in vain waits less from then on: the
 * holder may be a killed vfork child, and never come back. */
enum { LOCK_SPINS = 4096 + 64 * 1000, LOCK_SPINS_AGAIN = 4096 };
static bool waited_in_vain;

/* ---- On the private stack ---- */

/* Addresses that are not canonical. Pointers of the two runs differ in every alignment above that
 * of a word; a window reaches 2 GiB to either side, as far as a rule's offset. */
static const uintptr_t made_up[2][2] = {
    {0x5a10400000000000, 0x5a20800000004000},
    {0x5a10400000012348, 0x5a20800000056798},
};
/* Makes the name of an address, which lies in no window, and back. */
#define NAME_BITS 0x0f00000000000000ULL

static bool in_window(uintptr_t addr, uintptr_t pointer)
{
    return addr - pointer + (1ULL << 31) < 1ULL << 32;
}

static bool names_load(void *arg, uintptr_t addr, uintptr_t *word)
{
    const struct query *q = arg;
    *word = addr ^ NAME_BITS;
    return in_window(addr, q->reg[UNW_X86_64_RSP]) || in_window(addr, q->reg[UNW_X86_64_RBP]);
}

/* Why a step failed decides whether real registers and memory could help. */
static struct rule failed(const struct query *q)
{
    return (struct rule){.kind = q->found && q->refused ? RULE_SLOW : RULE_NONE};
}

static struct rule rule_of(const struct query *q)
{
    static const struct rule slow = {.kind = RULE_SLOW};
    uintptr_t sp = q->reg[UNW_X86_64_RSP];
    uintptr_t bp = q->reg[UNW_X86_64_RBP];
    uintptr_t cfa = q->out[UNW_X86_64_RSP];
    uintptr_t caller_bp = q->out[UNW_X86_64_RBP];
    if (q->signal_frame || q->out_known != q->wanted ||
        q->out[UNW_X86_64_RIP] != ((cfa - 8) ^ NAME_BITS)) {
        return slow;
    }
    struct rule r = {.kind = RULE_NONE};
    if (in_window(cfa, sp)) {
        r.kind = RULE_SP;
        r.cfa_offset = (int32_t)(cfa - sp);
        if (r.cfa_offset < (int32_t)sizeof cfa || r.cfa_offset % (int32_t)sizeof cfa) {
            return slow; /* code that has taken its return address off the stack, or worse */
        }
    } else if (in_window(cfa, bp)) {
        r.kind = RULE_BP;
        r.cfa_offset = (int32_t)(cfa - bp);
    } else {
        return slow;
    }
    if (caller_bp != bp) {
        uintptr_t slot = caller_bp ^ NAME_BITS;
        if (!in_window(slot, cfa)) {
            return slow;
        }
        r.bp_saved = true;
        r.bp_offset = (int32_t)(slot - cfa);
        if (r.bp_offset < -RULE_BP_OFFSET_MAX || r.bp_offset > RULE_BP_OFFSET_MAX ||
            r.bp_offset % (int32_t)sizeof slot) {
            return slow;
        }
    }
    return r;
}

struct find {
    uintptr_t pc;
    struct rule rule;
};

static void find_on_stack(void *arg)
{
    struct find *f = arg;
    struct query q;
    q.info_kept = false;
    q.expressions = false;
    q.known = q.wanted = 1U << UNW_X86_64_RIP | 1U << UNW_X86_64_RSP | 1U << UNW_X86_64_RBP;
    q.mem = (struct rules_memory){names_load, &q};
    f->rule = (struct rule){.kind = RULE_NOWHERE};
    if (!module_find(&q.module, f->pc)) {
        return;
    }
    struct rule first = {.kind = RULE_NONE};
    for (int run = 0; run < 2; run++) {
        q.reg[UNW_X86_64_RIP] = f->pc;
        q.reg[UNW_X86_64_RSP] = made_up[run][0];
        q.reg[UNW_X86_64_RBP] = made_up[run][1];
        int ret = query_step(&q);
        struct rule r = ret > 0    ? rule_of(&q)
                        : ret == 0 ? (struct rule){.kind = RULE_END}
                                   : failed(&q);
        f->rule = r;
        if (r.kind != RULE_SP && r.kind != RULE_BP) {
            return; /* of which a second opinion changes nothing */
        }
        if (!q.expressions) {
            return;
        }
        if (run == 0) {
            first = r;
        } else if (r.kind != first.kind || r.cfa_offset != first.cfa_offset ||
                   r.bp_saved != first.bp_saved || r.bp_offset != first.bp_offset) {
            f->rule = (struct rule){.kind = RULE_SLOW};
        }
    }
}

struct step {
    const struct regs *in;
    struct regs *out;
    const struct rules_memory *mem;
    bool signal_frame;
    int ret;
};

/* struct regs and libunwind's numbers. */
static const struct {
    uint8_t number;
    uint8_t lost;
    uint8_t offset;
} saved_regs[] = {
    {UNW_X86_64_RBP, LOST_BP, offsetof(struct regs, bp)},
    {UNW_X86_64_RBX, LOST_BX, offsetof(struct regs, bx)},
    {UNW_X86_64_R12, LOST_R12, offsetof(struct regs, r12)},
    {UNW_X86_64_R13, LOST_R13, offsetof(struct regs, r13)},
    {UNW_X86_64_R14, LOST_R14, offsetof(struct regs, r14)},
    {UNW_X86_64_R15, LOST_R15, offsetof(struct regs, r15)},
};

/* Registers of interrupted code that no call preserves. */
static void take_scratch_regs(struct query *q, const ucontext_t *uc)
{
    static const struct {
        uint8_t number;
        uint8_t context;
    } scratch[] = {
        {UNW_X86_64_RAX, REG_RAX}, {UNW_X86_64_RDX, REG_RDX}, {UNW_X86_64_RCX, REG_RCX},
        {UNW_X86_64_RSI, REG_RSI}, {UNW_X86_64_RDI, REG_RDI}, {UNW_X86_64_R8, REG_R8},
        {UNW_X86_64_R9, REG_R9},   {UNW_X86_64_R10, REG_R10}, {UNW_X86_64_R11, REG_R11},
    };
    for (size_t i = 0; i < ARRAY_LEN(scratch); i++) {
        q->known |= 1U << scratch[i].number;
        q->reg[scratch[i].number] = (uintptr_t)uc->uc_mcontext.gregs[scratch[i].context];
    }
}

static void step_on_stack(void *arg)
{
    struct step *s = arg;
    struct query q;
    q.info_kept = false;
    q.expressions = false;
    q.known = 1U << UNW_X86_64_RIP | 1U << UNW_X86_64_RSP;
    q.wanted = q.known;
    q.mem = *s->mem;
    q.reg[UNW_X86_64_RIP] = s->in->pc - 1;
    q.reg[UNW_X86_64_RSP] = s->in->sp;
    for (size_t i = 0; i < ARRAY_LEN(saved_regs); i++) {
        q.wanted |= 1U << saved_regs[i].number;
        if (!(s->in->lost & saved_regs[i].lost)) {
            q.known |= 1U << saved_regs[i].number;
            memcpy(&q.reg[saved_regs[i].number], (const char *)s->in + saved_regs[i].offset,
                   sizeof(uintptr_t));
        }
    }
    if (s->in->context) {
        take_scratch_regs(&q, s->in->context);
    }
    if (!module_find(&q.module, s->in->pc - 1)) {
        s->ret = -ENOENT;
        return;
    }
    s->ret = query_step(&q);
    if (s->ret <= 0) {
        if (s->ret < 0) {
            s->ret = q.lost ? -ENODATA : -EFAULT;
        }
        return;
    }
    struct regs *out = s->out;
    memset(out, 0, sizeof *out);
    s->signal_frame = q.signal_frame;
    out->pc = q.out[UNW_X86_64_RIP] + q.signal_frame;
    out->sp = q.out[UNW_X86_64_RSP];
    for (size_t i = 0; i < ARRAY_LEN(saved_regs); i++) {
        if (q.out_known & 1U << saved_regs[i].number) {
            memcpy((char *)out + saved_regs[i].offset, &q.out[saved_regs[i].number],
                   sizeof(uintptr_t));
        } else {
            out->lost |= saved_regs[i].lost;
        }
    }
}

/* ---- Getting there ---- */

/* A thread made by raw clone may have its creator's thread block or none. Code built with a stack
 * protector finds its canary there, and libc's errno and our own thread-locals lie there too: lend
 * it a block. Under the rules lock, so one is enough. */
static uintptr_t borrowed_block(void)
{
    static uintptr_t block;
    if (!block) {
        char *memory = sys_map(arch_thread_block_bytes());
        block = memory ? arch_thread_block(memory) : 0;
    }
    return block;
}

/* fn(arg) with signals blocked, the lock held, on the private stack. False = no lock, or no block
 * for a thread that needs one. */
static bool enter(void (*fn)(void *), void *arg, bool foreign)
{
    if (!LOAD_ACQUIRE(&ready)) {
        return false;
    }
    uint64_t mask = sys_block_signals();
    bool before = LOAD(&waited_in_vain);
    bool entered = lock_try_for(&rules_lock, before ? LOCK_SPINS_AGAIN : LOCK_SPINS);
    if (UNLIKELY(before == entered)) {
        STORE(&waited_in_vain, !entered);
    }
    if (entered) {
        uintptr_t block = foreign ? borrowed_block() : 0;
        if (block) {
            uintptr_t own = arch_thread_pointer();
            arch_set_thread_pointer(block);
            arch_call_on_stack(fn, arg, rules_stack + sizeof rules_stack);
            arch_set_thread_pointer(own);
        } else if (foreign) {
            entered = false;
        } else {
            arch_call_on_stack(fn, arg, rules_stack + sizeof rules_stack);
        }
        lock_drop(&rules_lock);
    }
    sys_restore_signals(mask);
    return entered;
}

/* Rules of this library's own code, which never leaves: without them a stack would not even have
 * its leaf where another thread has the lock. Each slot is written once. */
enum { OWN_RULES = 256 };
static struct module own_module;
static struct {
    uintptr_t pc; /* 0 = free, 1 = being written */
    struct rule rule;
} own_rules[OWN_RULES];

static const struct rule *own_find(uintptr_t pc)
{
    for (uintptr_t i = 0; i < 4; i++) {
        uintptr_t at = (pc + i) % OWN_RULES;
        if (LOAD_ACQUIRE(&own_rules[at].pc) == pc) {
            return &own_rules[at].rule;
        }
    }
    return NULL;
}

static void own_keep(uintptr_t pc, struct rule rule)
{
    for (uintptr_t i = 0; i < 4; i++) {
        uintptr_t at = (pc + i) % OWN_RULES;
        uintptr_t expected = 0;
        if (CAS(&own_rules[at].pc, &expected, 1)) {
            own_rules[at].rule = rule;
            STORE_RELEASE(&own_rules[at].pc, pc);
            return;
        }
    }
}

struct rule rules_find(uintptr_t pc, bool foreign)
{
    struct find f = {.pc = pc, .rule = {.kind = RULE_BUSY}};
    struct module module;
    bool own = pc - own_module.lo < own_module.hi - own_module.lo;
    const struct rule *kept = own ? own_find(pc) : NULL;
    if (kept) {
        return *kept;
    }
    if (!module_find(&module, pc)) {
        return (struct rule){.kind = RULE_NOWHERE};
    }
    enter(find_on_stack, &f, foreign);
    if (own && f.rule.kind != RULE_BUSY && f.rule.kind != RULE_NOWHERE) {
        own_keep(pc, f.rule);
    }
    return f.rule;
}

int rules_step(const struct regs *in, struct regs *out, const struct rules_memory *mem,
               bool foreign, bool *signal_frame)
{
    struct step s = {.in = in, .out = out, .mem = mem, .ret = -EBUSY};
    enter(step_on_stack, &s, foreign);
    *signal_frame = s.signal_frame;
    return s.ret;
}

int rules_start(bool at_once)
{
    if (ready) {
        return 0;
    }
    int ret = libunwind_find();
    if (ret == 0 && at_once && !libunwind_load()) {
        ret = -ENOEXEC;
    }
    if (ret == 0) {
        module_start();
        module_find(&own_module, (uintptr_t)&rules_start);
    }
    STORE_RELEASE(&ready, ret == 0);
    return ret;
}

void rules_fork_child(void)
{
    if (LOAD(&rules_lock.taken)) { /* by a thread in the middle of it, which is not here */
        libunwind_forget();
        lock_drop(&rules_lock);
    }
}

void rules_forget(void)
{
    __atomic_fetch_add(&rules_generation_now, 1, __ATOMIC_RELEASE);
}
