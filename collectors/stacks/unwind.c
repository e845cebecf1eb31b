/* SPDX-License-Identifier: MIT
 *
 * The stack walk, see unwind.h. A frame is (pc, sp, bp). The rule of its pc, from the table that
 * all threads share (rules_table.h), says in which words of the stack its caller's pc and bp are.
 * The fast path needs nothing else; between two walks only the rules and the thread's trail
 * (unwind_trail.h) are remembered.
 *
 * Where no rule describes a frame, libunwind makes the step (rules_step), in two attempts:
 *   1. From (pc, sp, bp) alone, the other registers marked as lost. This is enough for signal
 *      frames, realigned stacks and most expressions, which build on sp and bp. libunwind refuses
 *      as soon as anything depends on a lost register, so that its answer is never a guess.
 *   2. If libunwind refused: by rules_step with full registers, from the last frame whose registers
 *      were all known (the walk's start, or the caller that such a step or a signal frame gave) up
 *      to this frame, and one step further. The caller found so is the frame to start from the next
 *      time, so every frame is stepped at most twice. The walk goes on by rules from there: it
 *      finds what a walk by libunwind alone would find, in a bounded number of steps.
 *
 * Memory: what lies between the first frame's sp and the end of the thread's stack is mapped, and
 * is read as it is. For all other memory (coroutines, alternate stacks, a stack whose bounds are
 * not known) the kernel is asked, once a page, whether it can be read. Every step but that from a
 * signal frame must move sp upwards, and there are at most max steps, so that a walk ends whatever
 * the stack holds.
 *
 * SIGNAL_SAFE throughout; calls nothing but the unwinder's own files and the kernel.
 */
#include "collectors/stacks/unwind.h"

#include "collectors/base/sys.h"
#include "collectors/snapshot.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/rules_table.h"
#include "collectors/stacks/unwind_bare.h"
#include "collectors/stacks/unwind_search.h"
#include "collectors/stacks/unwind_trail.h"

#include <errno.h>
#include <string.h>

_Static_assert(PSEUDO_PC_LIMIT <= PC_MIN, "no code address may be taken for a pseudo frame");

#define WORD sizeof(uintptr_t)
#define RETURN ARCH_RETURN_BELOW_CFA /* from a frame's CFA down to its return address */
enum { WALKS_PER_LINK = 8 };
#define BP_UNKNOWN 1UL /* a CFA made from this value is below any sp, which ends the walk */

enum verdict {
    WALK_ON,
    WALK_END,     /* the outermost frame is in the list */
    WALK_FULL,    /* pcs has no room for more */
    WALK_SLOW,    /* the last frame in the list needs libunwind */
    WALK_BARE,    /* the last frame in the list has no frame information */
    WALK_NOWHERE, /* the same, because it lies in no module */
    WALK_LOST,    /* nothing is proven beyond the last frame in the list */
};

struct walk {
    uintptr_t pc, sp, bp; /* the frame to come, or the one to be stepped by libunwind */
    uintptr_t *pcs;
    int n, max;
    int exact; /* index in pcs of the last interrupted instruction */
    uint32_t generation;
    bool foreign;
    bool links;     /* this walk updates the links from rules to the rules of their callers */
    bool outermost; /* the last frame in the list is the outermost one, by its rule */
    const struct stack_bounds *stack;
    uintptr_t floor, top; /* [floor, top) is mapped; empty if that is not known */
    uintptr_t page[4];    /* pages that were found readable */
    unsigned turn;
    const struct regs *known; /* the frame that attempt 2 of a slow step starts from */
    struct regs kept;         /* what known points to, once it is not the walk's first frame */
    struct trail_walk trail;
};

/* ---- Memory ---- */

static bool page_readable(struct walk *w, uintptr_t addr)
{
    uintptr_t page = addr & ~(ARCH_PAGE_LEAST - 1);
    for (size_t i = 0; i < ARRAY_LEN(w->page); i++) {
        if (w->page[i] == page) {
            return true;
        }
    }
    if (page == 0 || !sys_readable(page)) {
        return false;
    }
    w->page[w->turn++ % ARRAY_LEN(w->page)] = page;
    return true;
}

/* One word of a stack, which another thread may be writing: what is read is judged before use. */
static inline __attribute__((no_sanitize_thread)) uintptr_t word_at(uintptr_t addr)
{
    return *(const volatile uintptr_t *)addr; /* NOLINT: a stack is made of integers */
}

/* Whether a step leads from another stack onto the thread's own. Split stacks and coroutines do,
 * and then sp may move downwards; this happens at most once in a walk. */
static bool enters_own_stack(const struct walk *w, uintptr_t from_sp, uintptr_t to_sp)
{
    uintptr_t bytes = w->stack->hi - w->stack->lo;
    return to_sp - w->stack->lo < bytes && from_sp - w->stack->lo >= bytes;
}

static inline bool in_stack(const struct walk *w, uintptr_t addr)
{
    return addr >= w->floor && addr < w->top && w->top - addr >= WORD;
}

static COLD bool load_of_other(const struct stack_bounds *s, uintptr_t addr, uintptr_t *word)
{
    if (addr >= s->copy_lo && addr < s->copy_hi && s->copy_hi - addr >= WORD) {
        memcpy(word, s->copy + (addr - s->copy_lo), WORD);
        return true;
    }
    return addr >= ARCH_PAGE_LEAST && sys_read_memory(word, addr, WORD) == 0;
}

static bool load(struct walk *w, uintptr_t addr, uintptr_t *word)
{
    if (UNLIKELY(w->stack->copy)) {
        return addr % WORD == 0 && load_of_other(w->stack, addr, word);
    }
    if (addr % WORD || (!in_stack(w, addr) && !page_readable(w, addr))) {
        return false;
    }
    *word = word_at(addr);
    return true;
}

static bool load_for_step(void *arg, uintptr_t addr, uintptr_t *word)
{
    return load(arg, addr, word);
}

/* ---- Fast steps ---- */

/* The rule of a pc that the table does not have: found by rules.c, and put into the table. */
static COLD struct rule_bits miss(const struct walk *w, uintptr_t pc)
{
    struct rule r = {.kind = RULE_NOWHERE};
    if (pc - 1 >= PC_MIN && pc < ARCH_CODE_END) {
        r = rules_find(pc - 1, w->foreign);
        if (r.kind != RULE_BUSY && r.kind != RULE_NOWHERE) {
            rules_table_put(pc, w->generation, r);
        }
    }
    return rule_bits_of(r);
}

/* The rule of a pc that is not in the entry to which the rule of the frame below links. *at: the
 * entry of the frame below; becomes this frame's. The link of the frame below is set to this
 * frame's entry, but only if it was empty or in every WALKS_PER_LINK'th walk: otherwise threads
 * that walk different stacks would take the entry's cache line from each other at each walk. */
static __attribute__((noinline)) struct rule_bits
find(const struct walk *w, uintptr_t pc, uint64_t key, uint32_t mask, struct rules_entry **at)
{
    struct rules_entry *below = *at;
    struct rules_entry *e = rules_table_find(pc, key, mask);
    if (UNLIKELY(!e)) {
        *at = rules_table_home(pc, mask);
        return miss(w, pc);
    }
    if (LOAD(&below->caller) == 0 || w->links) {
        STORE(&below->caller, (uint16_t)rules_table_index(e));
    }
    *at = e;
    struct rule_bits rule = rules_entry_read(e, key);
    return UNLIKELY(rule_kind_of(rule) == RULE_ABSENT) ? miss(w, pc) : rule;
}

static inline enum verdict verdict_of(unsigned kind)
{
    return kind == RULE_END       ? WALK_END
           : kind == RULE_SLOW    ? WALK_SLOW
           : kind == RULE_NONE    ? WALK_BARE
           : kind == RULE_NOWHERE ? WALK_NOWHERE
                                  : WALK_LOST;
}

/* Walks until a frame has no simple rule. mapped, a constant where this is inlined: sp is a
 * multiple of words, and return addresses are read only in [floor, top). recording, another such
 * constant: mapped, and there was a trail when this began. (A leaf's saved bp may lie below floor:
 * after the instruction that restores bp the rule still names its slot, and the kernel leaves the
 * ARCH_RED_ZONE bytes below sp alone.) A frame waits for the load of its return address, the load
 * of its rule and one addition; the processor can do everything else ahead of them. */
static inline __attribute__((always_inline)) enum verdict run(struct walk *w, const bool mapped,
                                                              const bool recording)
{
    uintptr_t pc = w->pc;
    uintptr_t sp = w->sp;
    uintptr_t bp = w->bp;
    const uintptr_t floor = w->floor;
    const uintptr_t last = w->top - WORD;
    const uint64_t generation = rules_table_key(0, w->generation);
    const uint32_t mask = LOAD(&rules_table_mask);
    uintptr_t *const pcs = w->pcs;
    const int max = w->max;
    int n = w->n;
    struct rules_entry *at = rules_table_home(pc, mask); /* the entry of the last frame's rule */
    struct rules_entry *next = at;                       /* the frame to come may have this one */
    enum verdict verdict = WALK_LOST;
    for (;;) {
        if (recording && LIKELY(w->trail.trail)) {
            struct trail_frame f = {pc, sp, bp};
            if (UNLIKELY(trail_meets(&w->trail, &f))) {
                int followed;
                pcs[n] = pc;
                if (trail_follow(&w->trail, &f, pcs + n + 1, max - n - 1, &followed)) {
                    n += followed + 1;
                    verdict = WALK_END;
                    break;
                }
                n += followed;
                pc = f.pc, sp = f.sp, bp = f.bp;
                at = next = rules_table_home(pc, mask);
            }
            trail_record(&w->trail, &f);
        }
        pcs[n++] = pc;
        if (UNLIKELY(n == max)) {
            verdict = WALK_FULL;
            break;
        }
        struct rule_bits rule = rules_entry_read(next, pc + generation);
        if (UNLIKELY(rule_kind_of(rule) == RULE_ABSENT)) {
            rule = find(w, pc, pc + generation, mask, &at);
        } else {
            at = next;
        }
        next = rules_table_entry(LOAD(&at->caller));
        uintptr_t cfa = (uintptr_t)(intptr_t)rule.cfa_offset;
        if (LIKELY(rule_kind_of(rule) == RULE_SP)) {
            cfa += sp; /* a multiple of words, above sp */
        } else if (LIKELY(rule_kind_of(rule) == RULE_BP)) {
            if (recording && LIKELY(w->trail.trail)) {
                trail_bp_used(&w->trail, bp);
            }
            cfa += bp;
            if (UNLIKELY(cfa - RETURN < sp || cfa % WORD != 0) &&
                (mapped || cfa % WORD != 0 || !enters_own_stack(w, sp, cfa))) {
                break;
            }
        } else {
            verdict = verdict_of(rule_kind_of(rule));
            w->outermost = rule_kind_of(rule) == RULE_END;
            break;
        }
        if (mapped) {
            if (UNLIKELY(cfa - RETURN > last)) {
                break;
            }
            pc = word_at(cfa - RETURN);
        } else if (!load(w, cfa - RETURN, &pc)) {
            break;
        }
        if (rule_bp_saved(rule)) {
            uintptr_t slot = cfa + (uintptr_t)rule_bp_offset(rule);
            if (recording && LIKELY(w->trail.trail)) {
                trail_bp_restored(&w->trail, slot >= sp && slot <= last ? slot : 0);
            }
            if (mapped && LIKELY(slot - floor <= last - floor)) {
                bp = word_at(slot);
            } else if (!load(w, slot, &bp)) {
                break;
            }
        }
        sp = cfa;
        if (UNLIKELY(pc - PC_MIN >= ARCH_CODE_END - PC_MIN)) {
            verdict = pc == 0 ? WALK_END : WALK_LOST;
            break;
        }
    }
    w->n = n;
    w->pc = pc;
    w->sp = sp;
    w->bp = bp;
    return verdict;
}

/* ---- Slow steps ---- */

/* Whether the step from one frame to the other may be believed: sp grows from a frame to its
 * caller. Exceptions: a signal handler may run on another stack; hand-written assembly, interrupted
 * after it took its return address off the stack, has the same sp as its caller. */
static bool moved_up(const struct walk *w, const struct regs *from, const struct regs *to,
                     bool signal_frame)
{
    return signal_frame || to->sp > from->sp || (from->context && to->sp == from->sp) ||
           enters_own_stack(w, from->sp, to->sp);
}

/* The full registers of the frame at (w->pc, w->sp), stepped to from the last ones known. */
static bool registers_here(struct walk *w, const struct stack_memory *mem, struct regs *here)
{
    *here = *w->known;
    for (int i = 0; i < w->n; i++) {
        if (here->pc == w->pc && here->sp == w->sp) {
            return true;
        }
        struct regs next;
        bool signal_frame;
        if (rules_step(here, &next, mem, w->foreign, &signal_frame) != 1 ||
            !moved_up(w, here, &next, signal_frame)) {
            return false;
        }
        *here = next;
    }
    return false;
}

static COLD enum verdict slow_step(struct walk *w)
{
    const struct stack_memory mem = {load_for_step, w};
    bool bp_unknown = w->bp == BP_UNKNOWN;
    struct regs in = {
        .pc = w->pc,
        .sp = w->sp,
        .bp = w->bp,
        .lost = LOST_ALL_BUT_BP | (bp_unknown ? LOST_BP : 0),
    };
    struct regs out;
    bool signal_frame;
    int ret = rules_step(&in, &out, &mem, w->foreign, &signal_frame);
    bool full = ret == 1 && out.lost == 0;
    if (ret == -ENODATA || (ret == 1 && (out.lost & LOST_BP) && !bp_unknown)) {
        if (!registers_here(w, &mem, &in)) {
            return WALK_LOST;
        }
        ret = rules_step(&in, &out, &mem, w->foreign, &signal_frame);
        full = true; /* registers that are lost even so are known to no walk */
    }
    if (ret == 0) {
        return WALK_END;
    }
    if (ret < 0 || !moved_up(w, &in, &out, signal_frame)) {
        return WALK_LOST;
    }
    if (out.pc - signal_frame - PC_MIN >= ARCH_CODE_END - PC_MIN) {
        return out.pc == 0 ? WALK_END : WALK_LOST;
    }
    w->pc = out.pc;
    w->sp = out.sp;
    w->bp = out.lost & LOST_BP ? BP_UNKNOWN : out.bp;
    if (signal_frame) {
        w->exact = w->n;
    }
    if (full) {
        w->kept = out;
        w->known = &w->kept;
    }
    return WALK_ON;
}

/* Tells the trail that the last step, from a frame with the given sp, was by no simple rule. */
static COLD void record_break(struct walk *w, uintptr_t sp)
{
    if (!w->trail.trail) {
        return;
    }
    if (w->sp > sp && w->sp % WORD == 0 && in_stack(w, w->sp)) {
        trail_bp_restored(&w->trail, 0);
    } else {
        trail_finish(&w->trail, false);
    }
}

/* ---- Frames without frame information ---- */

/* The last frame of the list lies in no module, and no caller of it was found. It may be code made
 * at run time, which belongs into the list, or a word that was no return address at all. The pc
 * that the processor was executing stays in the list; any other only if a call instruction precedes
 * it. */
static enum verdict end_nowhere(struct walk *w, const struct stack_memory *mem, bool executing)
{
    uintptr_t pc = w->pcs[w->n - 1];
    if (pc - 1 < PC_MIN || (!executing && !bare_after_call(mem, pc))) {
        w->n--;
    }
    return WALK_LOST;
}

static COLD enum verdict step_bare(struct walk *w, enum verdict why)
{
    const struct stack_memory mem = {load_for_step, w};
    bool executing = w->n == 1 || w->exact == w->n - 1;
    struct bare_frame f = {w->pc, w->sp, w->bp, executing};
    enum bare_step step = bare_step(&f, &mem, w->foreign);
    if (step == BARE_OUTERMOST) {
        return WALK_END;
    }
    bool own = in_stack(w, w->sp);
    if (step == BARE_LOST || (own && !in_stack(w, f.sp - RETURN))) {
        return why == WALK_NOWHERE ? end_nowhere(w, &mem, executing) : WALK_LOST;
    }
    w->pc = f.pc;
    uintptr_t sp = w->sp;
    w->sp = f.sp;
    uintptr_t bp = w->bp;
    w->bp = f.bp;
    if (step == BARE_CALLER && w->trail.trail && in_stack(w, f.sp)) {
        trail_bp_used(&w->trail, bp);
        if (w->trail.trail) {
            trail_bp_restored(&w->trail, bp);
        }
    } else {
        record_break(w, sp);
    }
    return WALK_ON;
}

/* ---- Frames whose frame pointer is not known ---- */

/* The last frame of the list could not be left because nothing is known of bp, as of a sleeping
 * thread. If it can be proven what bp must be, the frame is walked again. */
static COLD enum verdict find_bp(struct walk *w)
{
    const struct stack_memory mem = {load_for_step, w};
    bool executing = w->n == 1 || w->exact == w->n - 1;
    struct search_frame f = {w->pc, w->sp, executing};
    if (!search_bp(w->stack, &mem, &f, &w->bp)) {
        return WALK_LOST;
    }
    w->n--;
    return WALK_ON;
}

int unwind(const struct regs *from, const struct stack_bounds *stack, uintptr_t *pcs, int max)
{
    if (max <= 0) {
        return 0;
    }
    if (UNLIKELY(from->pc >= ARCH_CODE_END)) {
        pcs[0] = PSEUDO_TRUNCATED; /* a jump to no user address: the table's keys cannot hold it */
        return 1;
    }
    bool own = from->sp >= stack->lo && from->sp < stack->hi;
    bool whole_words = (from->sp | stack->hi) % WORD == 0;
    struct walk w;
    w.pc = from->pc;
    w.sp = from->sp;
    w.bp = from->lost & LOST_BP ? BP_UNKNOWN : from->bp;
    w.pcs = pcs;
    w.n = 0;
    w.max = max;
    w.exact = 0;
    w.generation = rules_generation();
    w.foreign = stack->foreign;
    w.floor = own ? from->sp : stack->hi;
    w.top = stack->hi;
    for (size_t i = 0; i < ARRAY_LEN(w.page); i++) {
        w.page[i] = 1; /* no page's address */
    }
    w.turn = 0;
    w.stack = stack;
    w.known = from;
    w.outermost = false;
    w.links = false;
    w.trail.trail = NULL;
    rules_table_ready(w.generation);
    if (own && stack->trail && whole_words && w.top - w.sp <= TRAIL_STACK_MAX) {
        trail_begin(&w.trail, stack->trail, w.generation, w.top);
        w.links = w.trail.trail && w.trail.trail->walks % WALKS_PER_LINK == 0;
    }

    enum verdict v;
    do {
        bool mapped = in_stack(&w, w.sp) && w.sp % WORD == 0;
        v = w.trail.trail ? run(&w, true, true)
            : mapped      ? run(&w, true, false)
                          : run(&w, false, false);
        if (v == WALK_SLOW) {
            uintptr_t sp = w.sp;
            v = slow_step(&w);
            if (v == WALK_ON) {
                record_break(&w, sp);
            }
        } else if (v == WALK_BARE || v == WALK_NOWHERE) {
            v = step_bare(&w, v);
        }
        if (UNLIKELY(v == WALK_LOST && w.bp == BP_UNKNOWN && stack->room)) {
            v = find_bp(&w);
        }
    } while (v == WALK_ON);
    if (w.trail.trail) {
        trail_finish(&w.trail, w.outermost);
    }
    if (v == WALK_LOST && w.n < max) {
        pcs[w.n++] = PSEUDO_TRUNCATED;
    }
    return w.n;
}
