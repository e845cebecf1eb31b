/* SPDX-License-Identifier: MIT
 *
 * See unwind_bare.h.
 */
#include "collectors/stacks/unwind_bare.h"

#include <string.h>

enum {
    WORD = sizeof(uintptr_t),
    CALL_LONGEST = 7,
    FRAME_MAX = 1 << 20, /* bytes between sp and the frame pointer that are believed */
};

/* n bytes from addr, 1 to 8 of them. */
static bool bytes_at(const struct rules_memory *mem, uintptr_t addr, uint8_t *bytes, size_t n)
{
    uintptr_t word[2] = {0, 0};
    uintptr_t first = addr & ~(uintptr_t)(WORD - 1);
    if (!mem->load(mem->arg, first, &word[0]) ||
        (addr + n > first + WORD && !mem->load(mem->arg, first + WORD, &word[1]))) {
        return false;
    }
    memcpy(bytes, (const char *)word + (addr - first), n);
    return true;
}

/* E8 rel32, or FF /2 with every form of operand. */
bool bare_after_call(const struct rules_memory *mem, uintptr_t ret)
{
    uint8_t bytes[CALL_LONGEST];
    if (ret < PC_MIN + CALL_LONGEST || ret >= PC_END ||
        !bytes_at(mem, ret - CALL_LONGEST, bytes, CALL_LONGEST)) {
        return false;
    }
    const uint8_t *end = bytes + CALL_LONGEST;
    if (end[-5] == 0xe8) {
        return true;
    }
    for (int len = 2; len <= CALL_LONGEST; len++) {
        uint8_t modrm = end[1 - len];
        if (end[-len] != 0xff || (modrm >> 3 & 7) != 2) {
            continue;
        }
        unsigned mod = modrm >> 6;
        bool sib = mod != 3 && (modrm & 7) == 4;
        bool rip_relative = mod == 0 && (modrm & 7) == 5;
        int displacement = mod == 1 ? 1 : mod == 2 || rip_relative ? 4 : 0;
        if (2 + sib + displacement == len) {
            return true;
        }
    }
    return false;
}

/* Whether the words at slot − 8 and slot are a saved frame pointer and a return address. */
static bool step_over(struct bare_frame *f, const struct rules_memory *mem, uintptr_t slot,
                      bool bp_saved)
{
    uintptr_t ret, bp = f->bp;
    if (slot % WORD || slot < f->sp || (bp_saved && !mem->load(mem->arg, slot - WORD, &bp)) ||
        !mem->load(mem->arg, slot, &ret) || !bare_after_call(mem, ret)) {
        return false;
    }
    *f = (struct bare_frame){ret, slot + WORD, bp, false};
    return true;
}

/* At the instructions around a function's body its frame is not there yet, or no more: where is its
 * return address? 0 = it has one. */
static uintptr_t slot_in_prologue(const struct bare_frame *f, const struct rules_memory *mem,
                                  bool *bp_saved)
{
    uintptr_t pc = f->pc - 1;
    uint8_t code[8];
    *bp_saved = false;
    if (!bytes_at(mem, pc, code, 5)) {
        return 0;
    }
    bool endbr = memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0;
    if (code[endbr ? 4 : 0] == 0x55 || code[0] == 0xc3 || code[0] == 0xc2) {
        return f->sp; /* push %rbp, ret */
    }
    bool move = memcmp(code, "\x48\x89\xe5", 3) == 0 || memcmp(code, "\x48\x8b\xec", 3) == 0;
    if (move && bytes_at(mem, pc - 1, code, 1) && code[0] == 0x55) {
        *bp_saved = true;
        return f->sp + WORD; /* mov %rsp,%rbp behind it */
    }
    return 0;
}

enum bare_step bare_step(struct bare_frame *f, const struct rules_memory *mem, bool foreign)
{
    if (f->executing) {
        bool bp_saved;
        uintptr_t slot = slot_in_prologue(f, mem, &bp_saved);
        if (slot) {
            return step_over(f, mem, slot, bp_saved) ? BARE_PROLOGUE : BARE_LOST;
        }
    } else if (!bare_after_call(mem, f->pc)) {
        /* The first instruction of a function that describes itself, as makecontext leaves it. */
        struct rule r = rules_find(f->pc, foreign);
        return r.kind == RULE_SP && r.cfa_offset == WORD ? BARE_OUTERMOST : BARE_LOST;
    }
    bool believed = f->bp >= f->sp && f->bp - f->sp < FRAME_MAX;
    return believed && step_over(f, mem, f->bp + WORD, true) ? BARE_CALLER : BARE_LOST;
}
