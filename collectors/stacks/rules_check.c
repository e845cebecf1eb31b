/* SPDX-License-Identifier: MIT
 *
 * See rules_check.h. Written after DWARF 4, chapter 6.4, the Linux Standard Base's chapter on
 * .eh_frame, and the source of libunwind. The check must accept whatever compilers, assemblers and
 * linkers write. It may refuse what libunwind would refuse anyway, and refuses what is legal but
 * written by no tool and not bounded by libunwind: DW_CFA_set_loc, 64-bit lengths, and in
 * expressions division, branches, and operations that need more than registers and memory.
 *
 * The cost is one pass over the bytes that libunwind will read next, some 30 to 100.
 */
#include "collectors/stacks/rules_check.h"

#include "collectors/base/sys.h"

#include <string.h>

enum {
    COLUMNS = ARCH_DWARF_COLUMNS,        /* registers that libunwind knows */
    NAMED = COLUMNS < 32 ? COLUMNS : 32, /* those with an operation of their own */
    REMEMBERED_MAX = 16,       /* compilers nest two deep; libunwind keeps 200 bytes for each */
    ENTRY_BYTES_MAX = 1 << 16, /* a function of some 10,000 call sites that push arguments */
};

/* Bytes that can be read, in memory order. Reading beyond their end sets bad, and gives zeros. */
struct bytes {
    const uint8_t *at, *end;
    bool bad;
    bool expressions; /* a DWARF expression was met */
};

static inline uint8_t take_u8(struct bytes *b)
{
    if (UNLIKELY(b->at >= b->end)) {
        b->bad = true;
        return 0;
    }
    return *b->at++;
}

static inline void skip(struct bytes *b, uint64_t n)
{
    if (UNLIKELY(n > (uint64_t)(b->end - b->at))) {
        b->bad = true;
        n = 0;
    }
    b->at += n;
}

static inline uint64_t take_le(struct bytes *b, unsigned n)
{
    uint64_t v = 0;
    const uint8_t *from = b->at;
    skip(b, n);
    if (LIKELY(!b->bad)) {
        memcpy(&v, from, n);
    }
    return v;
}

/* A LEB128 number of at most ten bytes, which hold 64 bits. A signed one is taken for unsigned: no
 * check depends on its value. */
static inline uint64_t take_leb(struct bytes *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = take_u8(b);
        v |= (uint64_t)(byte & 0x7f) << (shift & 63);
        if (LIKELY(!(byte & 0x80))) {
            return v;
        }
    }
    b->bad = true;
    return 0;
}

static bool readable(const struct check *c, uintptr_t at, size_t n)
{
    const struct module *m = c->module;
    if (at < m->lo || at >= m->hi || m->hi - at < n) {
        return false;
    }
    uintptr_t last = at + n - 1;
    for (uintptr_t page = at & ~(ARCH_PAGE_LEAST - 1); page <= last; page += ARCH_PAGE_LEAST) {
        if (!c->readable(page)) {
            return false;
        }
    }
    return true;
}

/* The CIE or FDE at an address: its bytes behind the length. */
static bool entry_bytes(const struct check *c, uintptr_t at, struct bytes *b)
{
    uint32_t n;
    if (!readable(c, at, sizeof n)) {
        return false;
    }
    memcpy(&n, (const void *)at, sizeof n); /* NOLINT: given as an address */
    if (n < sizeof n || n > ENTRY_BYTES_MAX || !readable(c, at + sizeof n, n)) {
        return false;
    }
    b->at = (const uint8_t *)(at + sizeof n); /* NOLINT */
    b->end = b->at + n;
    b->bad = false;
    b->expressions = false;
    return true;
}

/* ---- encoded pointers ---- */

enum { PTR_OMIT = 0xff, PTR_FORM = 0x0f, PTR_RELATION = 0x70, PTR_PC = 0x10, PTR_INDIRECT = 0x80 };

/* How many bytes a pointer of this encoding has; 0 = an encoding that no tool writes. */
static unsigned pointer_bytes(uint8_t encoding)
{
    static const uint8_t bytes[16] = {
        [0x00] = 8, [0x02] = 2, [0x03] = 4, [0x04] = 8, [0x0a] = 2, [0x0b] = 4, [0x0c] = 8};
    uint8_t relation = encoding & PTR_RELATION;
    return relation == 0 || relation == PTR_PC ? bytes[encoding & PTR_FORM] : 0;
}

static uintptr_t take_pointer(struct bytes *b, uint8_t encoding)
{
    uintptr_t place = (uintptr_t)b->at;
    unsigned n = pointer_bytes(encoding);
    uint64_t v = take_le(b, n);
    if (encoding & 0x08) { /* signed */
        v = n == 2 ? (uint64_t)(int16_t)v : n == 4 ? (uint64_t)(int32_t)v : v;
    }
    return v != 0 && (encoding & PTR_RELATION) == PTR_PC ? place + v : v;
}

/* ---- expressions ---- */

/* Reads one operation (DW_OP_*) and its operands. False: it is not accepted. */
static bool operation(struct bytes *b)
{
    uint8_t size;
    switch (take_u8(b)) {
    case 0x06:                      /* deref */
    case 0x12 ... 0x14:             /* dup, drop, over */
    case 0x16 ... 0x17:             /* swap, rot */
    case 0x19 ... 0x1a:             /* abs, and */
    case 0x1c ... 0x22:             /* minus, mod, mul, neg, not, or, plus */
    case 0x24 ... 0x27:             /* shl, shr, shra, xor */
    case 0x29 ... 0x2e:             /* eq, ge, gt, le, lt, ne */
    case 0x30 ... 0x4f:             /* lit0 to lit31 */
    case 0x50 ... 0x50 + NAMED - 1: /* reg0, reg1, … */
    case 0x96:                      /* nop */
        return true;
    case 0x08 ... 0x09: /* const1u, const1s */
    case 0x15:          /* pick */
        skip(b, 1);
        return true;
    case 0x0a ... 0x0b: /* const2u, const2s */
        skip(b, 2);
        return true;
    case 0x0c ... 0x0d: /* const4u, const4s */
        skip(b, 4);
        return true;
    case 0x03:          /* addr */
    case 0x0e ... 0x0f: /* const8u, const8s */
        skip(b, 8);
        return true;
    case 0x10 ... 0x11:             /* constu, consts */
    case 0x23:                      /* plus_uconst */
    case 0x70 ... 0x70 + NAMED - 1: /* breg0, breg1, … */
        take_leb(b);
        return true;
    case 0x90: /* regx */
        return take_leb(b) < COLUMNS;
    case 0x94: /* deref_size; libunwind masks sizes between these wrongly */
        size = take_u8(b);
        return size == 1 || size == 2 || size == 4 || size == 8;
    default:
        return false;
    }
}

static COLD bool expression(struct bytes *outer)
{
    uint64_t n = take_leb(outer);
    struct bytes b = {.at = outer->at};
    outer->expressions = true;
    skip(outer, n);
    b.end = outer->at;
    bool good = true;
    while (good && b.at < b.end) {
        good = operation(&b) && !b.bad;
    }
    return good && !outer->bad;
}

/* ---- call frame instructions ---- */

static inline bool take_column(struct bytes *b)
{
    return take_leb(b) < COLUMNS;
}

/* Reads the instructions that libunwind would run for pc: those for locations from loc up to pc.
 * False: one of them is not accepted. */
static bool instructions(struct bytes *b, uint64_t code_align, uintptr_t loc, uintptr_t pc)
{
    int remembered = 0;
    while (b->at < b->end && loc <= pc) {
        uint8_t op = *b->at++, low = op & 0x3f;
        bool good = true;
        switch (op >> 6) {
        case 1: /* advance_loc */
            loc += low * code_align;
            continue;
        case 2: /* offset */
            take_leb(b);
            good = low < COLUMNS;
            break;
        case 3: /* restore */
            good = low < COLUMNS;
            break;
        default:
            switch (low) {
            case 0x00: /* nop */
                break;
            case 0x02 ... 0x04: /* advance_loc1, 2, 4 */
                loc += take_le(b, 1U << (low - 0x02)) * code_align;
                break;
            case 0x06 ... 0x08: /* restore_extended, undefined, same_value */
            case 0x0d:          /* def_cfa_register */
                good = take_column(b);
                break;
            case 0x09: /* register */
                good = take_column(b);
                good &= take_column(b);
                break;
            case 0x05: /* offset_extended, def_cfa, both signed, and the old negative offset */
            case 0x0c:
            case 0x11 ... 0x12:
            case 0x2f:
                good = take_column(b);
                take_leb(b);
                break;
            case 0x0a: /* remember_state */
                good = ++remembered <= REMEMBERED_MAX;
                break;
            case 0x0b: /* restore_state */
                good = --remembered >= 0;
                break;
            case 0x0e: /* def_cfa_offset, and signed; GNU_args_size */
            case 0x13:
            case 0x2e:
                take_leb(b);
                break;
            case 0x0f: /* def_cfa_expression */
                good = expression(b);
                break;
            case 0x10: /* expression, val_expression */
            case 0x16:
                good = take_column(b) && expression(b);
                break;
            default:
                return false;
            }
        }
        if (UNLIKELY(!good || b->bad)) {
            return false;
        }
    }
    return true;
}

/* ---- entries ---- */

struct cie {
    uint64_t code_align;
    uint8_t fde_encoding;
    bool expressions;
    bool sized; /* the augmentation data, also those of FDEs, begin with their size */
};

/* Reads the augmentation data of a CIE. letters: the augmentation string, 'z' and then, in any
 * order, a letter for each piece of data. */
static bool augmentation(struct bytes *b, const uint8_t *letters, struct cie *cie)
{
    if (!letters[0]) {
        return true;
    }
    if (letters[0] != 'z') {
        return false;
    }
    cie->sized = true;
    uint64_t n = take_leb(b);
    const uint8_t *from = b->at;
    for (int i = 1; letters[i]; i++) {
        char letter = (char)letters[i];
        uint8_t encoding = letter == 'S' ? 0 : take_u8(b);
        unsigned bytes = pointer_bytes(encoding);
        bool good = letter == 'S' || (letter == 'P' && bytes) ||
                    (letter == 'L' && (bytes || encoding == PTR_OMIT)) ||
                    (letter == 'R' && bytes && !(encoding & PTR_INDIRECT));
        if (!good) {
            return false;
        }
        if (letter == 'R') {
            cie->fde_encoding = encoding;
        } else if (letter == 'P') {
            skip(b, bytes);
        }
    }
    return !b->bad && (uint64_t)(b->at - from) == n;
}

static bool check_cie(const struct check *c, uintptr_t at, struct cie *cie)
{
    enum { LETTERS = 4 }; /* libunwind reads no longer augmentation string */
    struct bytes b;
    if (!entry_bytes(c, at, &b) || take_le(&b, 4) != 0) {
        return false;
    }
    uint8_t version = take_u8(&b);
    const uint8_t *letters = b.at;
    for (int i = 0; take_u8(&b) != 0; i++) {
        if (i == LETTERS) {
            return false;
        }
    }
    *cie = (struct cie){.code_align = take_leb(&b)};
    take_leb(&b); /* the data alignment is only a factor of offsets: any value will do */
    uint64_t column = version == 1 ? take_u8(&b) : take_leb(&b);
    bool good = !b.bad && (version == 1 || version == 3) && column < COLUMNS &&
                augmentation(&b, letters, cie) && instructions(&b, cie->code_align, 0, UINTPTR_MAX);
    cie->expressions = b.expressions;
    return good;
}

/* Reads an FDE as far as to the code that it covers, and its CIE. */
static bool take_fde(const struct check *c, uintptr_t fde, struct bytes *b, struct cie *cie,
                     uintptr_t *start, uintptr_t *range)
{
    int32_t back = entry_bytes(c, fde, b) ? (int32_t)take_le(b, 4) : 0;
    if (back == 0 || !check_cie(c, fde + 4 - (uintptr_t)(intptr_t)back, cie)) {
        return false;
    }
    *start = take_pointer(b, cie->fde_encoding);
    *range = take_pointer(b, cie->fde_encoding & PTR_FORM);
    return true;
}

bool check_fde(const struct check *c, uintptr_t fde, uintptr_t pc)
{
    struct bytes b;
    struct cie cie;
    uintptr_t start, range;
    if (!take_fde(c, fde, &b, &cie, &start, &range)) {
        return false;
    }
    if (cie.sized) {
        skip(&b, take_leb(&b));
    }
    bool covers = !pc || (pc >= start && pc - start < range);
    bool good =
        covers && !b.bad && instructions(&b, cie.code_align, pc ? start : 0, pc ? pc : UINTPTR_MAX);
    if (c->expressions) {
        *c->expressions |= b.expressions || cie.expressions;
    }
    return good;
}

/* ---- the table ---- */

/* The first entry of .eh_frame_hdr's table, and how many there are. 0 = the header has another form
 * than all linkers write: version 1, a pointer of any encoding, the count in four bytes, entries of
 * two signed words of four bytes relative to the header. */
static uintptr_t table_of(const struct check *c, uint32_t *count)
{
    enum { HEADER_BYTES = 16 };
    uintptr_t at = c->module->frame_info;
    if (!readable(c, at, HEADER_BYTES)) {
        return 0;
    }
    const uint8_t *header = (const uint8_t *)at; /* NOLINT: given as an address */
    unsigned n = pointer_bytes(header[1] & PTR_FORM);
    if (header[0] != 1 || n == 0 || header[2] != 0x03 || header[3] != 0x3b) {
        return 0;
    }
    memcpy(count, header + 4 + n, sizeof *count);
    uintptr_t table = at + 4 + n + sizeof *count;
    return table < c->module->hi && (c->module->hi - table) / 8 >= *count ? table : 0;
}

static inline bool word32(const struct check *c, uintptr_t at, int32_t *word)
{
    /* Linkers align tables to words; in one that is not aligned a word may lie in two pages. */
    if (!c->readable(at) || (UNLIKELY(at % sizeof *word) && !c->readable(at + sizeof *word - 1))) {
        return false;
    }
    memcpy(word, (const void *)at, sizeof *word); /* NOLINT */
    return true;
}

uintptr_t check_find(const struct check *c, uintptr_t pc)
{
    uint32_t hi;
    uintptr_t table = table_of(c, &hi);
    int32_t wanted = (int32_t)(pc - c->module->frame_info);
    int32_t start;
    if (!table) {
        return 0;
    }
    uint32_t lo = 0;
    while (lo < hi) { /* entries before lo start at or before pc, those from hi on behind pc */
        uint32_t middle = lo + (hi - lo) / 2;
        if (!word32(c, table + 8UL * middle, &start)) {
            return 0;
        }
        if (wanted < start) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    uintptr_t entry = table + 8UL * (lo - 1);
    int32_t fde;
    bool good = lo && word32(c, entry + 4, &fde) &&
                check_fde(c, c->module->frame_info + (uintptr_t)(intptr_t)fde, pc);
    return good ? entry : 0;
}

bool check_function(const struct check *c, uintptr_t pc, uintptr_t *lo, uintptr_t *hi)
{
    struct bytes b;
    struct cie cie;
    uintptr_t range;
    int32_t fde;
    uintptr_t entry = check_find(c, pc);
    if (!entry || !word32(c, entry + 4, &fde) ||
        !take_fde(c, c->module->frame_info + (uintptr_t)(intptr_t)fde, &b, &cie, lo, &range)) {
        return false;
    }
    *hi = *lo + range;
    return true;
}
