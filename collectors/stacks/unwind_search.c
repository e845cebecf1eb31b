/* SPDX-License-Identifier: MIT
 *
 * See unwind_search.h, and doc/stacks.md, "Threads that sleep", for why what is accepted here is
 * proven. In short: a frame pointer points at a pair of words, the caller's frame pointer and the
 * return address. Where the function's code tells how far the pair lies above the stack pointer,
 * one look is enough. Else all pairs above the stack pointer are looked at that could be the one: a
 * call ends at the return address, and the frames above lead up to the thread's first one, each
 * where its own code says. One is taken if it is the only one that could be it.
 */
#include "collectors/stacks/unwind_search.h"

#include "collectors/stacks/own_code.h"

#include <string.h>

enum {
    WORD = sizeof(uintptr_t),
    FRAME_ALIGNMENT = 16, /* of frame pointers, by the ABI */
    CHAIN_MAX = 256,      /* frames from a pair up to the thread's first one */
};

/* What a call instruction says of a function: it has not called it, it has called another one,
 * which may have jumped on to it, it may have called it, or it has. */
enum relation { NO_CALL, OTHER, MAYBE, NAMED };

struct pair {
    uintptr_t at, bp, ret; /* the frame pointer that is tried, and the pair's words */
    uintptr_t cfa;         /* behind the pair: the caller's stack pointer */
    enum relation relation;
};

struct search {
    const struct stack_bounds *stack;
    const struct stack_memory *mem;
    struct facts_room *facts;
    const struct search_frame *frame;
    uintptr_t lo, hi; /* the frame's function */
    uintptr_t top;    /* of the copy */
    struct rule rule;
    uintptr_t chain[CHAIN_MAX]; /* the CFAs of the frames above the first pair, upwards */
    int links;
    uintptr_t end;                        /* where the first pair's frames end */
    enum { UNKNOWN, NO, YES } only_named; /* is the function only called by its name? */
};

/* ---- one frame ---- */

static bool load(const struct search *s, uintptr_t addr, uintptr_t *word)
{
    return s->mem->load(s->mem->arg, addr, word);
}

static const struct facts *facts(const struct search *s, uintptr_t pc)
{
    return facts_of(s->facts, pc, false, s->stack->foreign);
}

/* What is called from `ret`, if that is where the thread's first function of the program is called:
 * by the C library, or by this one in between. 0 = it is not, or the function is not known. */
static uintptr_t root_of(const struct search *s, uintptr_t ret, int frames_above)
{
    enum { ABOVE_START = 3 }; /* frames from there up to the thread's first one */
    bool root = frames_above <= ABOVE_START && (code_is_own(ret - 1) || facts_is_libc(ret - 1));
    return root ? s->stack->start : 0;
}

/* What the call that ends at a pair's return address says of the frame's function. frames: from
 * there up to the thread's first one. */
static enum relation relation_of(const struct search *s, const struct pair *p, int frames)
{
    const struct facts caller = *facts(s, p->ret);
    if (caller.callee == s->lo) {
        return NAMED;
    }
    uintptr_t root = root_of(s, p->ret, frames);
    if (root != 0) {
        return root == s->lo ? NAMED : NO_CALL;
    }
    if (caller.indirect) {
        return MAYBE;
    }
    bool ours = code_is_own(caller.callee) && !code_is_below(caller.callee) && !code_is_own(s->lo);
    bool jumps = !ours && facts_may_jump_out(s->facts, caller.callee, s->stack->foreign);
    return jumps ? OTHER : NO_CALL;
}

/* Is this what the code of a frame says of its frame pointer? sp: the frame's, bp: its frame
 * pointer if it has one. */
static bool agrees(const struct facts *f, uintptr_t sp, uintptr_t bp)
{
    if (f->rule.kind != RULE_BP) {
        return true;
    }
    uintptr_t depth = bp - sp;
    return bp >= sp &&
           (!f->depth_known || (depth >= (uintptr_t)f->depth.least &&
                                depth - (uintptr_t)f->depth.least <= (uintptr_t)f->depth.slack));
}

/* The frame pointer of a frame, and the rule by which the walk leaves it; true: *up is its caller.
 */
static bool step(const struct search *s, const struct regs *in, const struct facts *f,
                 struct regs *up)
{
    *up = (struct regs){.bp = in->bp};
    if (f->rule.kind == RULE_SP || f->rule.kind == RULE_BP) {
        uintptr_t from = f->rule.kind == RULE_SP ? in->sp : in->bp;
        up->sp = from + (uintptr_t)(intptr_t)f->rule.cfa_offset;
        return load(s, up->sp - ARCH_RETURN_BELOW_CFA, &up->pc) &&
               (!f->rule.bp_saved ||
                load(s, up->sp + (uintptr_t)(intptr_t)f->rule.bp_offset, &up->bp));
    }
    bool signal_frame;
    struct regs from = *in;
    from.lost = LOST_ALL_BUT_BP;
    return f->rule.kind == RULE_SLOW &&
           rules_step(&from, up, s->mem, s->stack->foreign, &signal_frame) == 1 && !signal_frame &&
           !(up->lost & LOST_BP);
}

/* ---- from a pair up to the thread's first frame ---- */

/* Walks up from the caller that a pair names. Its number of frames; 0: it does not lead to the
 * thread's first frame, or not as the code on the way says. first: also notes their CFAs.
 */
static int follow(struct search *s, const struct pair *p, bool first)
{
    struct regs at = {.pc = p->ret, .sp = p->cfa, .bp = p->bp};
    for (int n = 1; n < CHAIN_MAX; n++) {
        const struct facts *f = facts(s, at.pc);
        struct regs up;
        if (!f->called) {
            return 0;
        }
        if (first) {
            s->end = at.sp;
        }
        if (f->rule.kind == RULE_END) {
            return n;
        }
        if (!agrees(f, at.sp, at.bp) || !step(s, &at, f, &up) || up.sp <= at.sp) {
            return 0;
        }
        if (first) {
            s->chain[s->links++] = up.sp;
        }
        at = up;
    }
    return 0;
}

/* The return address and the caller's frame pointer, if `bp` is the frame's. */
static bool pair_at(const struct search *s, uintptr_t bp, struct pair *p)
{
    uintptr_t bp_at = bp;
    *p = (struct pair){.at = bp, .cfa = bp + 2UL * WORD};
    if (s->rule.kind == RULE_BP) {
        p->cfa = bp + (uintptr_t)(intptr_t)s->rule.cfa_offset;
        bp_at = p->cfa + (uintptr_t)(intptr_t)s->rule.bp_offset;
    }
    return load(s, p->cfa - ARCH_RETURN_BELOW_CFA, &p->ret) && load(s, bp_at, &p->bp);
}

/* ---- where the code tells the place ---- */

static bool bp_by_depth(const struct search *s, uintptr_t bp)
{
    struct pair p;
    if (bp % WORD || !pair_at(s, bp, &p)) {
        return false;
    }
    const struct facts *caller = facts(s, p.ret);
    return caller->called && agrees(caller, p.cfa, p.bp);
}

/* ---- where it does not ---- */

static bool in_chain(const struct search *s, uintptr_t cfa)
{
    for (int i = 0; i < s->links; i++) {
        if (s->chain[i] == cfa) {
            return true;
        }
    }
    return false;
}

/* Could the pair be the frame's? */
static bool consider(struct search *s, struct pair *p, bool first)
{
    if (!facts_maybe_return(p->ret)) {
        return false;
    }
    s->links = first ? 0 : s->links;
    int frames = follow(s, p, first);
    p->relation = frames > 0 ? relation_of(s, p, frames) : NO_CALL;
    return p->relation != NO_CALL;
}

static bool only_named(struct search *s)
{
    if (s->only_named == UNKNOWN) {
        s->only_named = facts_is_only_named(s->facts, s->lo, s->hi) ? YES : NO;
    }
    return s->only_named == YES;
}

/* Could the pair be the frame's, if the lowest one is not? The other functions' frames that the
 * lowest pair leads to have such pairs too. */
static bool rivals(struct search *s, const struct pair *p)
{
    bool other = p->relation == OTHER && in_chain(s, p->cfa);
    return p->relation == NAMED || (!other && !only_named(s));
}

/* Of the pairs from `from` up to `to`, the lowest, if it is the only one that could be the frame's.
 * (One whose call may be the frame's gives way to one whose call names a function that is only ever
 * called so.) */
static bool bp_by_search(struct search *s, uintptr_t from, uintptr_t to, uintptr_t *bp)
{
    struct pair p, lowest = {.relation = NO_CALL};
    uintptr_t odd = s->rule.kind == RULE_BP ? (uintptr_t)(intptr_t)s->rule.cfa_offset : 0;
    uintptr_t at = (from + odd + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT - odd;
    for (; at <= to && at + 2UL * WORD < s->top; at += FRAME_ALIGNMENT) {
        bool first = lowest.relation == NO_CALL;
        if (!pair_at(s, at, &p) || !consider(s, &p, first)) {
            continue;
        }
        bool instead = lowest.relation == MAYBE && p.relation == NAMED && only_named(s);
        if (!first && !instead) {
            if (rivals(s, &p)) {
                return false;
            }
            continue;
        }
        if (p.relation == OTHER && only_named(s)) {
            continue;
        }
        if (p.relation == OTHER || (instead && !consider(s, &p, true)) || s->end > s->top) {
            return false;
        }
        lowest = p;
        to = to < s->end ? to : s->end;
    }
    *bp = lowest.at;
    return lowest.relation != NO_CALL;
}

bool search_bp(const struct stack_bounds *stack, const struct stack_memory *mem,
               const struct search_frame *f, uintptr_t *bp)
{
    struct search s;
    s.stack = stack;
    s.mem = mem;
    s.facts = &stack->room->facts;
    s.frame = f;
    s.top = stack->copy_hi;
    s.links = 0;
    s.end = 0;
    s.only_named = UNKNOWN;
    const struct facts own = *facts_of(s.facts, f->pc, f->executing, stack->foreign);
    s.lo = own.lo;
    s.hi = own.hi;
    s.rule = own.rule;
    bool saved = own.rule.kind == RULE_SLOW || (own.rule.kind == RULE_BP && own.rule.bp_saved);
    if (!own.function || !saved) {
        return false;
    }
    uintptr_t least = own.depth_known ? (uintptr_t)own.depth.least : 0;
    uintptr_t from = f->sp + least;
    if (own.depth_known && own.depth.slack == 0) {
        *bp = from;
        return bp_by_depth(&s, from);
    }
    bool bounded = own.depth_known && own.depth.slack != ARCH_SLACK_ANY;
    uintptr_t to = bounded ? from + (uintptr_t)own.depth.slack : s.top;
    return bp_by_search(&s, from, to, bp);
}
