/* SPDX-License-Identifier: MIT
 *
 * What machine code says of a frame (arch.h): which call ends at a return address, where a stub
 * jumps to, and how far the frame pointer lies above the stack pointer. The last is for threads
 * that sleep in a function whose frame information starts from the frame pointer, which the kernel
 * does not tell. Compilers move the stack pointer by constants, but for alloca() and the like, so
 * the distance can be read off the code: it is followed on all ways from the function's first
 * instruction, and where two ways with different distances meet, the distance is not known.
 */
#include "collectors/base/arch/arch.h"

#include "collectors/base/arch/x86_64_instruction.h"

#include <string.h>

static int32_t word32(const uint8_t *at)
{
    int32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* ---- calls and jumps ---- */

/* FF /2 with every form of operand, ending behind code[ARCH_CALL_BYTES - 1]. Its length, or 0. */
static int indirect_call(const uint8_t *code, int shortest)
{
    for (int len = shortest; len <= ARCH_CALL_BYTES; len++) {
        const uint8_t *call = code + (ARCH_CALL_BYTES - len);
        uint8_t modrm = call[1];
        if (call[0] != 0xff || (modrm >> 3 & 7) != 2) {
            continue;
        }
        unsigned mod = modrm >> 6;
        bool sib = mod != 3 && (modrm & 7) == 4;
        bool rip_relative = mod == 0 && (modrm & 7) == 5;
        int displacement = mod == 1 ? 1 : mod == 2 || rip_relative ? 4 : 0;
        if (2 + sib + displacement == len) {
            return len;
        }
    }
    return 0;
}

bool arch_ends_with_call(const uint8_t *code)
{
    return code[ARCH_CALL_BYTES - 5] == 0xe8 || indirect_call(code, 2) != 0;
}

struct arch_call arch_call_before(const uint8_t *code, uintptr_t ret)
{
    struct arch_call c = {0};
    uintptr_t named = ret + (uintptr_t)(intptr_t)word32(code + (ARCH_CALL_BYTES - 4));
    const uint8_t *six = code + (ARCH_CALL_BYTES - 6);
    c.indirect = indirect_call(code, 2) != 0;
    if (code[ARCH_CALL_BYTES - 5] == 0xe8) {
        c.direct = true;
        c.target = named;
    } else if (six[0] == 0xff && six[1] == 0x15) { /* call *slot(%rip) */
        c.slot = true;
        c.target = named;
    }
    return c;
}

/* jmp rel32, or jmp *slot(%rip), behind what linkers put before it: endbr64, bnd, a number in r11.
 */
bool arch_jumps_on(const uint8_t *code, uintptr_t at, uintptr_t *target, bool *slot)
{
    const uint8_t *c = code;
    c += memcmp(c, "\xf3\x0f\x1e\xfa", 4) == 0 ? 4 : 0;
    c += c[0] == 0x41 && c[1] == 0xbb ? 6 : 0;
    c += c[0] == 0xf2 ? 1 : 0;
    bool near_jump = c[0] == 0xe9;
    *slot = c[0] == 0xff && c[1] == 0x25;
    int length = near_jump ? 5 : 6;
    if (!near_jump && !*slot) {
        return false;
    }
    uintptr_t after = at + (uintptr_t)(c - code) + (uintptr_t)length;
    *target = after + (uintptr_t)(intptr_t)word32(c + length - 4);
    return true;
}

/* crt1.o's _start: lea main(%rip),%rdi or mov $main,%rdi. */
uintptr_t arch_main_of_entry(const uint8_t *code, uintptr_t at)
{
    enum { LENGTH = 7 };
    for (size_t i = 0; i + LENGTH <= ARCH_START_BYTES; i++) {
        if (memcmp(code + i, "\x48\x8d\x3d", 3) == 0) {
            return at + i + LENGTH + (uintptr_t)(intptr_t)word32(code + i + 3);
        }
        if (memcmp(code + i, "\x48\xc7\xc7", 3) == 0) {
            return (uintptr_t)(intptr_t)word32(code + i + 3);
        }
    }
    return 0;
}

/* ---- the distance from the stack pointer to the frame pointer ---- */

/* A state is what is known before an instruction: UNSEEN (all zero), without a frame pointer, or a
 * depth whose `least` has SEEN added. */
enum { UNSEEN, FRAMELESS, SEEN };

enum { DEPTH_MAX = 1 << 26, TODO_MAX = 512 };

struct ways {
    const uint8_t *code;
    size_t bytes;
    struct arch_depth *states;
    uint32_t todo[TODO_MAX]; /* instructions whose state has changed, and is to be passed on */
    size_t n;
    size_t steps_left;
    bool failed;
    struct arch_depth dispatch; /* the state at an indirect jump, which a switch makes */
};

static bool same(struct arch_depth a, struct arch_depth b)
{
    return a.least == b.least && a.slack == b.slack;
}

static struct arch_depth joined(struct arch_depth a, struct arch_depth b)
{
    if (a.least == UNSEEN || same(a, b)) {
        return b;
    }
    int32_t least = a.least < b.least ? a.least : b.least;
    return (struct arch_depth){least < SEEN ? SEEN : least, ARCH_SLACK_ANY};
}

static struct arch_depth frame(int64_t least, int64_t slack)
{
    bool good = least >= 0 && least < DEPTH_MAX;
    return (struct arch_depth){good ? SEEN + (int32_t)least : SEEN,
                               good && slack < DEPTH_MAX ? (int32_t)slack : ARCH_SLACK_ANY};
}

static struct arch_depth after(struct arch_depth s, const struct instruction *i)
{
    if (i->effect == EFFECT_FRAME_BEGINS) {
        return frame(i->value, 0);
    }
    if (s.least == FRAMELESS || i->effect == EFFECT_FRAME_ENDS) {
        return (struct arch_depth){FRAMELESS, 0};
    }
    int64_t least = s.least - SEEN;
    switch (i->effect) {
    case EFFECT_MOVES:
        return frame(least - i->value, s.slack);
    case EFFECT_ALIGNS:
        return frame(least, (int64_t)s.slack + i->value);
    case EFFECT_LOWERS:
    case EFFECT_SETS: /* never above what the function keeps below its frame pointer for good */
        return frame(least, ARCH_SLACK_ANY);
    case EFFECT_BELOW_FRAME:
        return frame(-(int64_t)i->value, 0);
    default:
        return s;
    }
}

/* The state before the instruction at an offset is also `s`. */
static bool reach(struct ways *w, uint64_t at, struct arch_depth s)
{
    if (at > w->bytes) {
        return false;
    }
    struct arch_depth all = joined(w->states[at], s);
    if (same(all, w->states[at])) {
        return false;
    }
    w->states[at] = all;
    return at < w->bytes;
}

static void reach_later(struct ways *w, uint64_t at, struct arch_depth s)
{
    if (reach(w, at, s)) {
        if (w->n == TODO_MAX) {
            w->failed = true;
            return;
        }
        w->todo[w->n++] = (uint32_t)at;
    }
}

static void follow(struct ways *w, size_t at)
{
    struct instruction i;
    while (w->steps_left > 0 && instruction_read(&i, w->code + at, w->bytes - at)) {
        w->steps_left--;
        struct arch_depth s = after(w->states[at], &i);
        size_t next = at + i.length;
        if (i.effect == EFFECT_BRANCHES || i.effect == EFFECT_JUMPS) {
            reach_later(w, next + (uint64_t)(int64_t)i.value, s);
        } else if (i.effect == EFFECT_JUMPS_ANYWHERE && s.least >= SEEN) {
            w->dispatch = joined(w->dispatch, s);
        }
        if (i.effect == EFFECT_JUMPS || i.effect == EFFECT_JUMPS_ANYWHERE ||
            i.effect == EFFECT_ENDS || !reach(w, next, s)) {
            return;
        }
        at = next;
    }
}

static void follow_all(struct ways *w)
{
    while (w->n > 0 && !w->failed && w->steps_left > 0) {
        follow(w, w->todo[--w->n]);
    }
}

/* The cases of a switch, to which an indirect jump leads: code that no other way has reached. */
static void follow_cases(struct ways *w)
{
    struct instruction i;
    for (size_t at = 0; at < w->bytes && !w->failed; at += i.length) {
        if (w->states[at].least == UNSEEN) {
            reach_later(w, at, w->dispatch);
            follow_all(w);
        }
        if (!instruction_read(&i, w->code + at, w->bytes - at)) {
            return;
        }
    }
}

bool arch_frame_depth(const uint8_t *code, size_t bytes, size_t at, struct arch_depth *states,
                      struct arch_depth *depth)
{
    if (bytes == 0 || at > bytes) {
        return false;
    }
    struct ways w;
    w.code = code;
    w.bytes = bytes;
    w.states = states;
    w.n = 0;
    w.steps_left = 8 * bytes;
    w.failed = false;
    w.dispatch = (struct arch_depth){UNSEEN, 0};
    reach_later(&w, 0, (struct arch_depth){FRAMELESS, 0});
    follow_all(&w);
    if (states[at].least == UNSEEN && w.dispatch.least >= SEEN) {
        follow_cases(&w);
    }
    *depth = (struct arch_depth){states[at].least - SEEN, states[at].slack};
    return !w.failed && w.steps_left > 0 && states[at].least >= SEEN;
}

bool arch_may_jump_out(const uint8_t *code, size_t bytes)
{
    struct instruction i;
    for (size_t at = 0; at < bytes; at += i.length) {
        if (!instruction_read(&i, code + at, bytes - at) || i.effect == EFFECT_JUMPS_ANYWHERE) {
            return true;
        }
        uint64_t to = at + i.length + (uint64_t)(int64_t)i.value;
        if ((i.effect == EFFECT_JUMPS || i.effect == EFFECT_BRANCHES) && to >= bytes) {
            return true;
        }
    }
    return false;
}
