/* SPDX-License-Identifier: MIT
 *
 * See unwind_bare.h.
 */
#include "collectors/stacks/unwind_bare.h"

#include "collectors/stacks/rules.h"

#include <string.h>

enum {
    WORD = sizeof(uintptr_t),
    FRAME_MAX = 1 << 20, /* bytes between sp and the frame pointer that are believed */
};

/* Reads n bytes from addr, 1 to 8 of them, by words. False: they cannot be read. */
static bool bytes_at(const struct stack_memory *mem, uintptr_t addr, uint8_t *bytes, size_t n)
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

bool bare_after_call(const struct stack_memory *mem, uintptr_t ret)
{
    uint8_t code[ARCH_CALL_BYTES];
    return ret >= PC_MIN + ARCH_CALL_BYTES && ret < ARCH_CODE_END &&
           bytes_at(mem, ret - ARCH_CALL_BYTES, code, ARCH_CALL_BYTES) && arch_ends_with_call(code);
}

/* Makes *f its caller if the word at slot is a return address, and (if bp_saved) the word below it
 * the caller's bp. False: it is none, and *f is unchanged. */
static bool step_over(struct bare_frame *f, const struct stack_memory *mem, uintptr_t slot,
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

/* Where the return address is of a function that was interrupted before it set up its frame
 * pointer, or after it put back its caller's. 0: it was interrupted in between. *bp_saved: the
 * caller's bp lies in the word below. */
static uintptr_t slot_in_prologue(const struct bare_frame *f, const struct stack_memory *mem,
                                  bool *bp_saved)
{
    uintptr_t pc = f->pc - 1;
    uint8_t code[ARCH_ENTRY_BYTES], before[ARCH_PUSH_BYTES];
    *bp_saved = false;
    if (!bytes_at(mem, pc, code, ARCH_ENTRY_BYTES)) {
        return 0;
    }
    switch (arch_entry_at(code)) {
    case ARCH_ENTRY_ON_TOP:
        return f->sp;
    case ARCH_ENTRY_IF_SAVED:
        *bp_saved =
            bytes_at(mem, pc - ARCH_PUSH_BYTES, before, ARCH_PUSH_BYTES) && arch_saves_bp(before);
        return *bp_saved ? f->sp + WORD : 0;
    case ARCH_ENTRY_IN_FRAME:
        break;
    }
    return 0;
}

/* Is this the dynamic linker's first function, which calls the constructors of libraries? It has no
 * frame information, no caller, and 0 for a frame pointer. Its sp is the one with which the process
 * started, rounded down to 16 bytes: there lies the number of arguments, then a pointer to each,
 * and a NULL. */
static COLD bool calls_constructors(const struct bare_frame *f, const struct stack_memory *mem)
{
    enum { ARGUMENTS_MAX = 1 << 20 };
    for (uintptr_t at = f->sp; f->bp == 0 && at <= f->sp + WORD; at += WORD) {
        uintptr_t n, first, last, end;
        if (mem->load(mem->arg, at, &n) && n >= 1 && n < ARGUMENTS_MAX &&
            mem->load(mem->arg, at + WORD, &first) && mem->load(mem->arg, at + n * WORD, &last) &&
            mem->load(mem->arg, at + (n + 1) * WORD, &end) && first > at && last > at && end == 0) {
            return true;
        }
    }
    return false;
}

enum bare_step bare_step(struct bare_frame *f, const struct stack_memory *mem, bool foreign)
{
    if (f->executing) {
        bool bp_saved;
        uintptr_t slot = slot_in_prologue(f, mem, &bp_saved);
        if (slot) {
            return step_over(f, mem, slot, bp_saved) ? BARE_PROLOGUE : BARE_LOST;
        }
    } else if (!bare_after_call(mem, f->pc)) {
        /* makecontext has made the first instruction of a function a return address, if that
         * function's rule there is that of a function which has just been called. */
        struct rule r = rules_find(f->pc, foreign);
        return r.kind == RULE_SP && r.cfa_offset == WORD ? BARE_OUTERMOST : BARE_LOST;
    } else if (calls_constructors(f, mem)) {
        return BARE_OUTERMOST;
    }
    bool believed = f->bp >= f->sp && f->bp - f->sp < FRAME_MAX;
    return believed && step_over(f, mem, f->bp + WORD, true) ? BARE_CALLER : BARE_LOST;
}
