/* SPDX-License-Identifier: MIT
 *
 * See rules.h. How a rule is made without reading call frame information ourselves: libunwind steps
 * once from a frame whose stack and frame pointers are made-up addresses at which no memory is. A
 * read there is answered with a name made of the address that was read. So the caller's pc, sp and
 * bp come back as the names of the words that hold them, and the distances of these words from the
 * made-up pointers are the rule. With S the made-up stack pointer:
 *
 *   pc read from S + 24, sp = S + 32, bp read from S + 16   →   CFA = sp + 32, bp at CFA − 16
 *
 * Reads of any other register or memory are refused; that libunwind tried shows that the frame
 * depends on it. Where the frame information holds an expression, the question is asked twice with
 * different pointers: an expression that is not linear in them, such as an alignment, gives two
 * different answers. What is not exactly of this form is RULE_SLOW, and left to rules_step().
 *
 * Contexts: rules_find and rules_step run anywhere, also in signal handlers and in threads without
 * a thread block. Their work is done on a private stack, with the rules lock held and all signals
 * blocked, so that a signal handler never interrupts a holder of the lock on its own thread. For a
 * holder on another thread it waits for a bounded time.
 */
#include "collectors/stacks/rules.h"

#include "collectors/base/lock_wait.h"
#include "collectors/stacks/rules_libunwind.h"
#include "collectors/stacks/rules_module.h"

#include <errno.h>
#include <string.h>

static struct lock rules_lock;
static bool ready;

/* How often the lock is tried. A step holds it for 1 to 3 µs, but its holder may lose its processor
 * for some time slices, and a stack given up for that would be missing from an exact profile.
 * LOCK_SPINS are about 100 ms, because lock.c sleeps between most tries. After a wait that was in
 * vain the next ones are shorter: the holder may be a vfork child that was killed, which never
 * releases the lock. */
enum { LOCK_SPINS = 4096 + 64 * 1000, LOCK_SPINS_AGAIN = 4096 };
static bool waited_in_vain;

/* ---- On the private stack ---- */

/* The made-up stack and frame pointers of the two runs: addresses that no process has mapped, which
 * are only compared. Those of the two runs differ in every alignment above that of a word. Around
 * each is a window of 2 GiB to either side, as far as a rule's offset can reach. */
static const uintptr_t made_up[2][2] = {
    {0x5a10400000000000, 0x5a20800000004000},
    {0x5a10400000012348, 0x5a20800000056798},
};
/* An address ^ NAME_BITS is its name, which lies in no window. */
#define NAME_BITS 0x0f00000000000000ULL

static bool in_window(uintptr_t addr, uintptr_t pointer)
{
    return addr - pointer + (1ULL << 31) < 1ULL << 32;
}

static bool names_load(void *arg, uintptr_t addr, uintptr_t *word)
{
    const struct query *q = arg;
    *word = addr ^ NAME_BITS;
    return in_window(addr, q->reg[ARCH_UNW_SP]) || in_window(addr, q->reg[ARCH_UNW_BP]);
}

/* The rule where the step failed. If libunwind was refused a register or memory, a step with the
 * real ones may succeed. */
static struct rule failed(const struct query *q)
{
    return (struct rule){.kind = q->found && q->refused ? RULE_SLOW : RULE_NONE};
}

static struct rule rule_of(const struct query *q)
{
    static const struct rule slow = {.kind = RULE_SLOW};
    uintptr_t sp = q->reg[ARCH_UNW_SP];
    uintptr_t bp = q->reg[ARCH_UNW_BP];
    uintptr_t cfa = q->out[ARCH_UNW_SP];
    uintptr_t caller_bp = q->out[ARCH_UNW_BP];
    if (q->signal_frame || q->out_known != q->wanted ||
        q->out[ARCH_UNW_PC] != ((cfa - ARCH_RETURN_BELOW_CFA) ^ NAME_BITS)) {
        return slow;
    }
    struct rule r = {.kind = RULE_NONE};
    if (in_window(cfa, sp)) {
        r.kind = RULE_SP;
        r.cfa_offset = (int32_t)(cfa - sp);
        if (r.cfa_offset < (int32_t)sizeof cfa || r.cfa_offset % (int32_t)sizeof cfa) {
            return slow; /* the return address lies below sp, or the frame information is wrong */
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
    q.known = q.wanted = 1ULL << ARCH_UNW_PC | 1ULL << ARCH_UNW_SP | 1ULL << ARCH_UNW_BP;
    q.mem = (struct stack_memory){names_load, &q};
    f->rule = (struct rule){.kind = RULE_NOWHERE};
    if (!module_find(&q.module, f->pc)) {
        return;
    }
    struct rule first = {.kind = RULE_NONE};
    for (int run = 0; run < 2; run++) {
        q.reg[ARCH_UNW_PC] = f->pc;
        q.reg[ARCH_UNW_SP] = made_up[run][0];
        q.reg[ARCH_UNW_BP] = made_up[run][1];
        int ret = query_step(&q);
        struct rule r = ret > 0    ? rule_of(&q)
                        : ret == 0 ? (struct rule){.kind = RULE_END}
                                   : failed(&q);
        f->rule = r;
        if (r.kind != RULE_SP && r.kind != RULE_BP) {
            return; /* a second answer would not change it */
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
    const struct stack_memory *mem;
    bool signal_frame;
    int ret;
};

/* The registers that a callee saves, numbered from 0 as the bits of enum regs_lost are: bp, then
 * those of saved[]. */
enum { CALLEE_SAVED = 1 + ARCH_SAVED };

static int number_of(int i)
{
    return i == 0 ? ARCH_UNW_BP : arch_saved_numbers[i - 1];
}

static uintptr_t value_of(const struct regs *r, int i)
{
    return i == 0 ? r->bp : r->saved[i - 1];
}

static void set_value(struct regs *r, int i, uintptr_t value)
{
    *(i == 0 ? &r->bp : &r->saved[i - 1]) = value;
}

static void know(struct query *q, int number, uintptr_t value)
{
    q->known |= 1ULL << number;
    q->reg[number] = value;
}

/* All other registers of interrupted code: those that no call preserves. */
static void know_scratch_regs(struct query *q, const void *context)
{
    for (int number = 0; number < ARCH_UNW_REGS; number++) {
        if (!(q->wanted & 1ULL << number)) {
            know(q, number, arch_context_reg(context, number));
        }
    }
}

static void step_on_stack(void *arg)
{
    struct step *s = arg;
    struct query q;
    q.info_kept = false;
    q.expressions = false;
    q.known = 0;
    q.mem = *s->mem;
    know(&q, ARCH_UNW_PC, s->in->pc - 1);
    know(&q, ARCH_UNW_SP, s->in->sp);
    q.wanted = q.known;
    for (int i = 0; i < CALLEE_SAVED; i++) {
        q.wanted |= 1ULL << number_of(i);
        if (!(s->in->lost & 1U << i)) {
            know(&q, number_of(i), value_of(s->in, i));
        }
    }
    if (s->in->context) {
        know_scratch_regs(&q, s->in->context);
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
    out->pc = q.out[ARCH_UNW_PC] + q.signal_frame;
    out->sp = q.out[ARCH_UNW_SP];
    for (int i = 0; i < CALLEE_SAVED; i++) {
        if (q.out_known & 1ULL << number_of(i)) {
            set_value(out, i, q.out[number_of(i)]);
        } else {
            out->lost |= 1U << i;
        }
    }
}

/* ---- To the private stack ---- */

/* The thread block that libunwind and our code use in a thread of raw clone, which may have its
 * creator's block or none: code with a stack protector reads the canary there, and thread-local
 * variables lie there. Used under the rules lock, so one block is enough. 0: no memory. */
static uintptr_t borrowed_block(void)
{
    static uintptr_t block;
    if (!block) {
        char *memory = sys_map(arch_thread_block_bytes());
        block = memory ? arch_thread_block(memory) : 0;
    }
    return block;
}

/* Calls fn(arg) on the private stack, with signals blocked and the rules lock held. False: not
 * called, because the lock was not to be had, or a block for a foreign thread. */
static bool enter(void (*fn)(void *), void *arg, bool foreign)
{
    if (!LOAD_ACQUIRE(&ready)) {
        return false;
    }
    uint64_t mask = sys_block_signals();
    bool before = LOAD(&waited_in_vain);
    bool entered = lock_try_for(&rules_lock, LOCK_RULES, before ? LOCK_SPINS_AGAIN : LOCK_SPINS);
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

/* The rules of this library's own code, kept for good: it is never unloaded. A walk starts in this
 * code, so that without these rules a stack would have no frame of the program at all while another
 * thread holds the lock. Each element is written once. */
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

int rules_step(const struct regs *in, struct regs *out, const struct stack_memory *mem,
               bool foreign, bool *signal_frame)
{
    struct step s = {.in = in, .out = out, .mem = mem, .ret = -EBUSY};
    enter(step_on_stack, &s, foreign);
    *signal_frame = s.signal_frame;
    return s.ret;
}

struct function {
    uintptr_t pc, lo, hi;
    bool found;
};

static void function_on_stack(void *arg)
{
    struct function *f = arg;
    struct module module;
    f->found = module_find(&module, f->pc) && query_function(&module, f->pc, &f->lo, &f->hi);
}

bool rules_function(uintptr_t pc, bool foreign, uintptr_t *lo, uintptr_t *hi)
{
    struct function f = {.pc = pc};
    enter(function_on_stack, &f, foreign);
    *lo = f.lo;
    *hi = f.hi;
    return f.found;
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
    if (LOAD(&rules_lock.taken)) { /* by a thread of the parent, which the child does not have */
        libunwind_forget();
        lock_drop(&rules_lock);
    }
}
