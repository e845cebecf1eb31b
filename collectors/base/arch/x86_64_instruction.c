/* SPDX-License-Identifier: MIT
 *
 * See x86_64_instruction.h. Written after the opcode maps in volume 2 of Intel's manual. Only what
 * compilers make is told apart: what an instruction does to the stack pointer as an implicit or
 * explicit operand of the one-byte map. No instruction of the other maps has it as a destination,
 * but for those that no compiler uses on it.
 */
#include "collectors/base/arch/x86_64_instruction.h"

#include <string.h>

enum { SP = 4, BP = 5, MOST_BYTES = 15 };

/* ---- the parts of an instruction ---- */

struct parts {
    const uint8_t *code, *end, *at;
    bool operand16; /* prefix 66 */
    bool bad;       /* it is longer than the bytes that there are */
    uint8_t rex;
    uint8_t modrm;
    int32_t displacement;
    uint8_t base; /* the register that an address is made from; 255 = none, or with an index */
};

static uint8_t take(struct parts *p)
{
    if (p->at >= p->end) {
        p->bad = true;
        return 0;
    }
    return *p->at++;
}

static int32_t take_signed(struct parts *p, unsigned bytes)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        uint32_t byte = take(p);
        v |= i < 4 ? byte << (8 * i) : 0;
    }
    return bytes == 1 ? (int8_t)v : bytes == 2 ? (int16_t)v : (int32_t)v;
}

static unsigned mod(const struct parts *p)
{
    return p->modrm >> 6;
}

/* The registers that ModRM names, with the bits of the REX prefix. */
static unsigned reg(const struct parts *p)
{
    return (p->modrm >> 3 & 7) | (p->rex & 4) << 1;
}

static unsigned rm(const struct parts *p)
{
    return (p->modrm & 7) | (p->rex & 1) << 3;
}

static void take_modrm(struct parts *p)
{
    p->modrm = take(p);
    p->base = 255;
    p->displacement = 0;
    if (mod(p) == 3) {
        return;
    }
    unsigned low = p->modrm & 7;
    unsigned bytes = mod(p) == 1 ? 1 : mod(p) == 2 ? 4 : 0;
    if (low == 4) {
        uint8_t sib = take(p);
        bool none = (sib & 7) == 5 && mod(p) == 0;
        bool indexed = (sib >> 3 & 7) != 4 || p->rex & 2;
        bytes = none ? 4 : bytes;
        p->base = none || indexed ? 255 : (uint8_t)((sib & 7) | (p->rex & 1) << 3);
    } else if (low == 5 && mod(p) == 0) {
        bytes = 4;
    } else {
        p->base = (uint8_t)rm(p);
    }
    p->displacement = take_signed(p, bytes);
}

/* ---- how long ---- */

static bool has_modrm(uint8_t op)
{
    switch (op) {
    case 0x00 ... 0x3f:
        return (op & 7) < 4;
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0x80 ... 0x8f:
    case 0xc0 ... 0xc1:
    case 0xc6 ... 0xc7:
    case 0xd0 ... 0xd3:
    case 0xd8 ... 0xdf:
    case 0xf6 ... 0xf7:
    case 0xfe ... 0xff:
        return true;
    default:
        return false;
    }
}

/* How many bytes of the instruction follow, behind ModRM and its displacement. */
static unsigned immediate_bytes(const struct parts *p, uint8_t op)
{
    unsigned wide = p->operand16 ? 2 : 4;
    switch (op) {
    case 0x00 ... 0x3f:
        return (op & 7) == 4 ? 1 : (op & 7) == 5 ? wide : 0;
    case 0x6a ... 0x6b:
    case 0x70 ... 0x80:
    case 0x83:
    case 0xa8:
    case 0xb0 ... 0xb7:
    case 0xc0 ... 0xc1:
    case 0xc6:
    case 0xcd:
    case 0xe0 ... 0xe7:
    case 0xeb:
        return 1;
    case 0x68 ... 0x69:
    case 0x81:
    case 0xa9:
    case 0xc7:
        return wide;
    case 0xa0 ... 0xa3:
        return 8;
    case 0xb8 ... 0xbf:
        return p->rex & 8 ? 8 : wide;
    case 0xc2:
    case 0xca:
        return 2;
    case 0xc8:
        return 3;
    case 0xe8 ... 0xe9:
        return 4;
    case 0xf6:
        return (p->modrm >> 3 & 7) < 2 ? 1 : 0;
    case 0xf7:
        return (p->modrm >> 3 & 7) < 2 ? wide : 0;
    default:
        return 0;
    }
}

/* Opcodes behind 0F: the same of VEX's and EVEX's map 1. */
static bool two_byte_has_modrm(uint8_t op)
{
    switch (op) {
    case 0x05 ... 0x09:
    case 0x0b:
    case 0x0e:
    case 0x30 ... 0x37:
    case 0x77:
    case 0x80 ... 0x8f:
    case 0xa0 ... 0xa2:
    case 0xa8 ... 0xaa:
    case 0xc8 ... 0xcf:
        return false;
    default:
        return true;
    }
}

static unsigned two_byte_immediate(uint8_t op)
{
    switch (op) {
    case 0x0f:
    case 0x70 ... 0x73:
    case 0xa4:
    case 0xac:
    case 0xba:
    case 0xc2:
    case 0xc4 ... 0xc6:
        return 1;
    default:
        return 0;
    }
}

/* An instruction with a VEX (C4, C5) or EVEX (62) prefix, whose first byte has been taken. */
static void skip_vector(struct parts *p, uint8_t first)
{
    unsigned map = 1;
    if (first == 0xc5) {
        take(p);
    } else {
        map = take(p) & (first == 0x62 ? 7 : 0x1f);
        take(p);
        if (first == 0x62) {
            take(p);
        }
    }
    uint8_t op = take(p);
    if (map != 1 || op != 0x77) {
        take_modrm(p);
    }
    take_signed(p, map == 3                                  ? 1
                   : map == 1 && first != 0x62 && op == 0x77 ? 0
                   : map == 1                                ? two_byte_immediate(op)
                                                             : 0);
}

/* ---- what it does ---- */

static void does(struct instruction *i, enum instruction_effect effect, int32_t value)
{
    i->effect = effect;
    i->value = value;
}

/* 80 to 83, an operation with a constant; those that have sp as their destination. */
static void does_arithmetic(struct instruction *i, const struct parts *p, int32_t value)
{
    switch (p->modrm >> 3 & 7) {
    case 0: /* add */
        does(i, EFFECT_MOVES, value);
        return;
    case 5: /* sub */
        does(i, EFFECT_MOVES, -value);
        return;
    case 4: /* and */
        does(i, value < 0 ? EFFECT_ALIGNS : EFFECT_SETS, ~value);
        return;
    case 7: /* cmp */
        return;
    default:
        does(i, EFFECT_SETS, 0);
    }
}

static void does_lea(struct instruction *i, const struct parts *p)
{
    bool frame = reg(p) == BP && p->base == SP;
    if (frame) {
        does(i, EFFECT_FRAME_BEGINS, p->displacement);
    } else if (reg(p) == SP) {
        does(i,
             p->base == SP   ? EFFECT_MOVES
             : p->base == BP ? EFFECT_BELOW_FRAME
                             : EFFECT_SETS,
             p->base == SP || p->base == BP ? p->displacement : 0);
    }
}

static void does_move(struct instruction *i, unsigned to, unsigned from)
{
    if (to == BP && from == SP) {
        does(i, EFFECT_FRAME_BEGINS, 0);
    } else if (to == SP) {
        does(i, from == BP ? EFFECT_BELOW_FRAME : EFFECT_SETS, 0);
    }
}

/* FF and 8F: push, pop, jump. */
static void does_group(struct instruction *i, const struct parts *p, uint8_t op)
{
    unsigned which = p->modrm >> 3 & 7;
    if (op == 0x8f) {
        does(i, EFFECT_MOVES, 8);
    } else if (which == 4 || which == 5) {
        does(i, EFFECT_JUMPS_ANYWHERE, 0);
    } else if (which == 6) {
        does(i, EFFECT_MOVES, -8);
    }
}

/* immediate: the constant at its end, 0 if it has none. */
static void does_one_byte(struct instruction *i, const struct parts *p, uint8_t op,
                          int32_t immediate)
{
    bool registers = mod(p) == 3;
    unsigned number = (op & 7) | (p->rex & 1) << 3;
    switch (op) {
    case 0x50 ... 0x57: /* push */
    case 0x68:
    case 0x6a:
    case 0x9c:
        does(i, EFFECT_MOVES, -8);
        return;
    case 0x58 ... 0x5f: /* pop */
        does(i, number == BP ? EFFECT_FRAME_ENDS : number == SP ? EFFECT_SETS : EFFECT_MOVES, 8);
        return;
    case 0x9d:
        does(i, EFFECT_MOVES, 8);
        return;
    case 0x8f:
    case 0xff:
        does_group(i, p, op);
        return;
    case 0x81:
    case 0x83:
        if (registers && rm(p) == SP) {
            does_arithmetic(i, p, immediate);
        }
        return;
    case 0x29: /* sub */
        if (registers && rm(p) == SP) {
            does(i, EFFECT_LOWERS, 0);
        }
        return;
    case 0x2b:
        if (reg(p) == SP) {
            does(i, EFFECT_LOWERS, 0);
        }
        return;
    case 0x01: /* add, and, xchg */
    case 0x21:
    case 0x87:
        if (registers && rm(p) == SP) {
            does(i, EFFECT_SETS, 0);
        }
        return;
    case 0x03:
    case 0x23:
        if (reg(p) == SP) {
            does(i, EFFECT_SETS, 0);
        }
        return;
    case 0x89: /* mov */
        if (registers) {
            does_move(i, rm(p), reg(p));
        }
        return;
    case 0x8b:
        does_move(i, reg(p), registers ? rm(p) : 255);
        return;
    case 0x8d:
        does_lea(i, p);
        return;
    case 0xc9: /* leave */
        does(i, EFFECT_FRAME_ENDS, 0);
        return;
    case 0xc2 ... 0xc3: /* returns, int3, iret, hlt */
    case 0xca ... 0xcc:
    case 0xcf:
    case 0xf4:
        does(i, EFFECT_ENDS, 0);
        return;
    case 0x70 ... 0x7f:
    case 0xe0 ... 0xe3:
        does(i, EFFECT_BRANCHES, immediate);
        return;
    case 0xe9:
    case 0xeb:
        does(i, EFFECT_JUMPS, immediate);
        return;
    default:
        return;
    }
}

static void read_two_byte(struct instruction *i, struct parts *p)
{
    uint8_t op = take(p);
    if (op == 0x38 || op == 0x3a) {
        take(p);
        take_modrm(p);
        take_signed(p, op == 0x3a ? 1 : 0);
        return;
    }
    if (op >= 0x80 && op <= 0x8f) {
        int32_t distance = take_signed(p, 4);
        does(i, EFFECT_BRANCHES, distance);
        return;
    }
    if (op == 0x0b) { /* ud2 */
        does(i, EFFECT_ENDS, 0);
    }
    if (two_byte_has_modrm(op)) {
        take_modrm(p);
    }
    take_signed(p, two_byte_immediate(op));
}

static uint8_t take_prefixes(struct parts *p)
{
    for (;;) {
        uint8_t byte = take(p);
        switch (byte) {
        case 0x66:
            p->operand16 = true;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64 ... 0x65:
        case 0x67:
        case 0xf0:
        case 0xf2 ... 0xf3:
            break;
        case 0x40 ... 0x4f:
            p->rex = byte;
            return take(p);
        default:
            return byte;
        }
    }
}

bool instruction_read(struct instruction *i, const uint8_t *code, size_t bytes)
{
    struct parts p = {.code = code, .at = code};
    p.end = code + (bytes < MOST_BYTES ? bytes : MOST_BYTES);
    *i = (struct instruction){0};
    uint8_t op = take_prefixes(&p);
    if (op == 0x0f) {
        read_two_byte(i, &p);
    } else if (op == 0x62 || op == 0xc4 || op == 0xc5) {
        skip_vector(&p, op);
    } else {
        if (has_modrm(op)) {
            take_modrm(&p);
        }
        int32_t immediate = take_signed(&p, immediate_bytes(&p, op));
        does_one_byte(i, &p, op, immediate);
    }
    i->length = (uint32_t)(p.at - code);
    return !p.bad;
}
