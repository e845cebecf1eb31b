/* SPDX-License-Identifier: MIT
 *
 * See unwind_facts.h. Code is read by the kernel, because another thread may unload it meanwhile.
 */
#include "collectors/stacks/unwind_facts.h"

#include "collectors/base/sys.h"
#include "collectors/stacks/rules_module.h"
#include "collectors/stacks/unwind_bare.h"

#include <string.h>
#include <sys/auxv.h>

/* The function that code at this address leads to: stubs of the linker's are followed. */
static uintptr_t destination(uintptr_t at)
{
    enum { HOPS = 3 };
    for (int i = 0; i < HOPS; i++) {
        uint8_t code[ARCH_STUB_BYTES];
        uintptr_t target;
        bool slot;
        if (sys_read_memory(code, at, sizeof code) != 0 ||
            !arch_jumps_on(code, at, &target, &slot) ||
            (slot && sys_read_memory(&target, target, sizeof target) != 0)) {
            break;
        }
        at = target;
    }
    return at;
}

static bool read_call(uintptr_t pc, uint8_t *code)
{
    struct module m;
    return pc > PC_MIN + ARCH_CALL_BYTES && pc < ARCH_CODE_END && module_find(&m, pc - 1) &&
           sys_read_memory(code, pc - ARCH_CALL_BYTES, ARCH_CALL_BYTES) == 0;
}

bool facts_maybe_return(uintptr_t pc)
{
    uint8_t code[ARCH_CALL_BYTES];
    return read_call(pc, code) && arch_ends_with_call(code);
}

static void see_call(struct facts *f)
{
    uint8_t code[ARCH_CALL_BYTES];
    if (!read_call(f->pc, code)) {
        return;
    }
    struct arch_call c = arch_call_before(code, f->pc);
    uintptr_t target = c.target;
    f->called = c.direct || c.indirect;
    f->indirect = c.indirect && !c.slot;
    if (c.slot && sys_read_memory(&target, c.target, sizeof target) != 0) {
        f->indirect = true;
    } else if (c.direct || c.slot) {
        f->callee = destination(target);
    }
}

static void see_depth(struct facts_room *room, struct facts *f)
{
    size_t bytes = f->hi - f->lo;
    if (f->rule.kind != RULE_BP && f->rule.kind != RULE_SLOW) {
        return;
    }
    if (bytes <= sizeof room->code && sys_read_memory(room->code, f->lo, bytes) == 0) {
        memset(room->states, 0, (bytes + 1) * sizeof room->states[0]);
        f->depth_known = arch_frame_depth(room->code, bytes, f->pc - f->executing - f->lo,
                                          room->states, &f->depth);
    }
}

const struct facts *facts_of(struct facts_room *room, uintptr_t pc, bool executing, bool foreign)
{
    struct facts *f = &room->kept[(pc ^ pc >> 9) % FACTS];
    uint32_t generation = rules_generation();
    if (f->pc == pc && f->executing == executing && f->generation == generation) {
        return f;
    }
    *f = (struct facts){.pc = pc, .executing = executing, .generation = generation};
    f->rule.kind = RULE_NOWHERE;
    if (pc - 1 < PC_MIN || pc >= ARCH_CODE_END) {
        return f;
    }
    f->rule = rules_find(pc - 1, foreign);
    f->function = rules_function(pc - 1, foreign, &f->lo, &f->hi);
    if (!executing) {
        see_call(f);
    }
    if (f->function) {
        see_depth(room, f);
    }
    return f;
}

bool facts_may_jump_out(struct facts_room *room, uintptr_t function, bool foreign)
{
    uintptr_t lo, hi;
    return !rules_function(function, foreign, &lo, &hi) || hi - lo > sizeof room->code ||
           sys_read_memory(room->code, lo, hi - lo) != 0 || arch_may_jump_out(room->code, hi - lo);
}

/* A function, and what another way to it than by its name would look like. */
struct wanted {
    uintptr_t lo, hi;
    uintptr_t in_file; /* its address as relocations and symbols have it */
};

/* Looks for such a way in n bytes of the module, which lie at `at`. */
static bool leads_to(const uint8_t *bytes, size_t n, uintptr_t at, const struct wanted *f)
{
    for (size_t i = ARCH_LEADS_BEFORE; i + sizeof(uint64_t) <= n; i++) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        bool inside = at + i >= f->lo && at + i < f->hi; /* a loop of its own */
        if (word == f->lo || word == f->in_file || (uint32_t)word == f->lo ||
            (!inside && arch_leads_to(bytes + i, at + i, f->lo))) {
            return true;
        }
    }
    return false;
}

static bool module_leads_to(struct facts_room *room, const struct module *m, const struct wanted *f)
{
    enum { OVERLAP = ARCH_LEADS_BEFORE + sizeof(uint64_t), STEP = 16 << 10 };
    uintptr_t at = m->lo;
    while (at < m->hi) {
        size_t n = m->hi - at < STEP + OVERLAP ? m->hi - at : STEP + OVERLAP;
        size_t on = STEP;
        if (sys_read_memory(room->code, at, n) != 0) {
            /* There is a hole between two segments, or it is the end of the last one. */
            n = on = ARCH_PAGE_LEAST - at % ARCH_PAGE_LEAST;
            n = sys_read_memory(room->code, at, n) == 0 ? n : 0;
        }
        if (n != 0 && leads_to(room->code, n, at, f)) {
            return true;
        }
        at += on;
    }
    return false;
}

bool facts_is_only_named(struct facts_room *room, uintptr_t function, uintptr_t end)
{
    enum { BYTES_MAX = 4 << 20 }; /* that are looked at for one picture, some 10 ms */
    struct module m;
    for (size_t i = 0; i < ARRAY_LEN(room->named); i++) {
        if (room->named[i].function == function) {
            return room->named[i].only_named;
        }
    }
    bool only = false;
    if (module_find(&m, function) && room->named_bytes + (m.hi - m.lo) <= BYTES_MAX) {
        room->named_bytes += m.hi - m.lo;
        struct wanted f = {function, end, function - m.lo};
        only = !module_leads_to(room, &m, &f);
    }
    uint32_t i = room->named_next++ % ARRAY_LEN(room->named);
    room->named[i].function = function;
    room->named[i].only_named = only;
    return only;
}

bool facts_is_libc(uintptr_t pc)
{
    struct module m;
    return module_find(&m, (uintptr_t)&getauxval) && pc >= m.lo && pc < m.hi;
}

uintptr_t facts_main(void)
{
    static uintptr_t found; /* 1 = not found */
    uintptr_t known = LOAD(&found);
    if (known == 0) {
        uint8_t code[ARCH_START_BYTES];
        uintptr_t entry = getauxval(AT_ENTRY);
        known = entry && sys_read_memory(code, entry, sizeof code) == 0
                    ? arch_main_of_entry(code, entry)
                    : 0;
        known = known ? known : 1;
        STORE(&found, known);
    }
    return known == 1 ? 0 : known;
}
