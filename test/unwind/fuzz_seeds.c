/* SPDX-License-Identifier: MIT
 *
 * Inputs that are worth mutating: call frame information by its grammar, with numbers that are
 * mostly sound and sometimes at the edge of what their reader was written for. Blind bytes would
 * rarely get past the CIE. Called by fuzz_driver.c.
 */
#include "test/unwind/fuzz.h"

#include <stdbool.h>
#include <string.h>

struct maker {
    uint64_t state;
    bool sound; /* nothing that collectors/stacks/rules_check.c refuses */
    uint8_t *at, *end;
};

static uint64_t draw(struct maker *m)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    return m->state ^= m->state << 17;
}

static bool one_in(struct maker *m, unsigned n)
{
    return (draw(m) >> 20) % n == 0;
}

/* The same of what may be wrong. */
static bool wrong_in(struct maker *m, unsigned n)
{
    return !m->sound && one_in(m, n);
}

static void u8(struct maker *m, uint64_t v)
{
    if (m->at < m->end) {
        *m->at++ = (uint8_t)v;
    }
}

static void little(struct maker *m, uint64_t v, int n)
{
    for (; n > 0; n--, v >>= 8) {
        u8(m, v);
    }
}

static void leb(struct maker *m, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        u8(m, v | 0x80);
    }
    u8(m, v);
}

static uint64_t column(struct maker *m)
{
    static const uint64_t edges[] = {16, 17, 18, 19, 32, 63, 127, 255, 1UL << 20, 1UL << 60, ~0UL};
    return wrong_in(m, 12) ? edges[(draw(m) >> 10) % 11]
           : one_in(m, 2)  ? 6 + (draw(m) >> 10) % 2
                           : (draw(m) >> 10) % 17;
}

static uint64_t number(struct maker *m)
{
    static const uint64_t edges[] = {0,         1,          ~0UL,        1UL << 31,
                                     1UL << 32, 1UL << 62,  1UL << 63,   0x7fffffff,
                                     4096,      0xffffffff, ~0UL - 4096, ~0UL >> 1};
    return one_in(m, 6) ? edges[(draw(m) >> 10) % 12] : (draw(m) >> 10) % 40;
}

static void operation(struct maker *m)
{
    static const uint8_t plain[] = {0x06, 0x12, 0x13, 0x14, 0x16, 0x17, 0x19, 0x1a, 0x1b, 0x1c,
                                    0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27,
                                    0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x96, 0x9c};
    uint64_t r = draw(m) >> 12;
    switch (r % (m->sound ? 4 : 10)) {
    case 0:
    case 1:
        u8(m, 0x70 + (m->sound ? 6 + (r >> 8) % 2 : column(m) % 32));
        leb(m, number(m));
        break;
    case 2:
        u8(m, 0x30 + (r >> 8) % 32);
        break;
    case 3:
        u8(m, 0x23);
        leb(m, number(m));
        break;
    case 4:
        u8(m, 0x0e + (r >> 8) % 2);
        little(m, number(m), 8);
        break;
    case 5:
        u8(m, one_in(m, 2) ? 0x2f : 0x28); /* skip, bra */
        little(m, draw(m) % 32 - 16, 2);
        break;
    case 6:
        u8(m, one_in(m, 2) ? 0x15 : 0x94); /* pick, deref_size */
        u8(m, (r >> 8) % 10);
        break;
    case 7:
        u8(m, one_in(m, 2) ? 0x90 : 0x92); /* regx, bregx */
        leb(m, column(m));
        leb(m, number(m));
        break;
    default:
        u8(m, plain[(r >> 8) % sizeof plain]);
    }
}

static void block(struct maker *m)
{
    uint8_t *size = m->at;
    u8(m, 0);
    for (uint64_t n = 1 + (draw(m) >> 9) % 8; n > 0; n--) {
        operation(m);
    }
    size_t bytes = (size_t)(m->at - size) - 1;
    if (size < m->end) {
        *size = (uint8_t)(wrong_in(m, 20) ? draw(m) & 0x7f : bytes & 0x7f);
    }
}

static void instruction(struct maker *m)
{
    uint64_t r = draw(m) >> 12;
    switch (r % (m->sound ? 15 : 16)) {
    case 0:
    case 1:
        u8(m, 0x40 | (r >> 8 & 0x3f)); /* advance_loc */
        break;
    case 2:
    case 3:
        u8(m, 0x80 | (column(m) & 0x3f)); /* offset */
        leb(m, number(m));
        break;
    case 4:
        u8(m, 0xc0 | (column(m) & 0x3f)); /* restore */
        break;
    case 5:
        u8(m, 0x0e); /* def_cfa_offset */
        leb(m, 8 * (r >> 8 & 15));
        break;
    case 6:
        u8(m, 0x0c); /* def_cfa */
        leb(m, column(m));
        leb(m, number(m));
        break;
    case 7:
        u8(m, 0x0d); /* def_cfa_register */
        leb(m, column(m));
        break;
    case 8:
        u8(m, 0x09); /* register */
        leb(m, column(m));
        leb(m, column(m));
        break;
    case 9:
        u8(m, wrong_in(m, 3) ? 0x0b : 0x0a); /* restore_state, remember_state */
        break;
    case 10:
        u8(m, 0x0f); /* def_cfa_expression */
        block(m);
        break;
    case 11:
        u8(m, one_in(m, 2) ? 0x10 : 0x16); /* expression, val_expression */
        leb(m, column(m));
        block(m);
        break;
    case 12:
        u8(m, one_in(m, 2) ? 0x05 : 0x11); /* offset_extended */
        leb(m, column(m));
        leb(m, number(m));
        break;
    case 13:
        u8(m, 6 + (r >> 8) % 3); /* restore_extended, undefined, same_value */
        leb(m, column(m));
        break;
    case 14:
        u8(m, 2 + (r >> 8) % 3); /* advance_loc1, 2, 4 */
        little(m, number(m), 1 << ((r >> 8) % 3));
        break;
    default:
        u8(m, r >> 8);
    }
}

static void instructions(struct maker *m, unsigned most)
{
    for (uint64_t n = (draw(m) >> 9) % (most + 1); n > 0; n--) {
        instruction(m);
    }
}

static void end_entry(struct maker *m, uint8_t *from)
{
    while ((m->at - from) % 8 != 4 && m->at < m->end) {
        u8(m, 0);
    }
    uint32_t n = (uint32_t)(m->at - from) - 4;
    if (wrong_in(m, 30)) {
        n = (uint32_t)number(m);
    }
    memcpy(from, &n, sizeof n);
}

/* A CIE at the beginning, an FDE behind it; returns where that is. */
static uint16_t frames(struct maker *m)
{
    static const char *const augmentations[] = {"zR", "zR",  "zPLR",  "zRS",
                                                "",   "zLR", "zPLSR", "eh"};
    const char *letters = augmentations[(draw(m) >> 9) % (wrong_in(m, 6) ? 8 : 3)];
    uint8_t *cie = m->at;
    little(m, 0, 8);
    u8(m, one_in(m, 8) ? 3 : 1);
    for (size_t i = 0; i <= strlen(letters); i++) {
        u8(m, (uint8_t)letters[i]);
    }
    leb(m, wrong_in(m, 20) ? number(m) : 1);
    leb(m, wrong_in(m, 20) ? number(m) : 0x78);
    leb(m, wrong_in(m, 10) ? column(m) : 16);
    if (letters[0] == 'z') {
        u8(m,
           strlen(letters) - 1 + (strchr(letters, 'P') ? 4 : 0) - (strchr(letters, 'S') ? 1 : 0));
        for (const char *l = letters + 1; *l; l++) {
            if (*l != 'S') {
                u8(m, wrong_in(m, 20) ? draw(m) : 0x1b);
            }
            little(m, number(m), *l == 'P' ? 4 : 0);
        }
    }
    static const uint8_t usual[] = {0x0c, 7, 8, 0x90, 1};
    for (size_t i = 0; i < sizeof usual && !wrong_in(m, 40); i++) {
        u8(m, usual[i]);
    }
    instructions(m, one_in(m, 4) ? 6 : 0);
    end_entry(m, cie);
    uint8_t *fde = m->at;
    little(m, 0, 4);
    little(m, (uint64_t)(fde + 4 - cie), 4);
    little(m, 0, 4);
    little(m, 0, 4);
    if (letters[0] == 'z') {
        u8(m, wrong_in(m, 30) ? number(m) : 0);
    }
    instructions(m, one_in(m, 2) ? 3 : 12);
    end_entry(m, fde);
    return (uint16_t)(fde - cie);
}

size_t fuzz_seed(uint64_t n, uint8_t *input)
{
    struct maker m = {.state = (n + 1) * 0x9e3779b97f4a7c15UL,
                      .at = input + sizeof(struct fuzz_head),
                      .end = input + FUZZ_INPUT_MAX};
    draw(&m);
    m.sound = one_in(&m, 2);
    struct fuzz_head h = {
        .mode = (uint8_t)(one_in(&m, 3) ? draw(&m) & 0x1c : 0),
        .lost = one_in(&m, 3) ? (uint8_t)draw(&m) : 0,
        .pc_at = one_in(&m, 4) ? (uint16_t)draw(&m) : (uint16_t)(draw(&m) & 127),
        .sp_at = (uint16_t)((draw(&m) >> 8) % 64),
        .bp_at = (uint16_t)((draw(&m) >> 8) % 128),
        .other_at = (uint16_t)(draw(&m) >> 9),
        .max = (uint16_t)(draw(&m) >> 9),
    };
    h.fde_at = frames(&m);
    h.frame_bytes = (uint16_t)(m.at - input - sizeof h);
    for (uint64_t words = (draw(&m) >> 8) % 128; words > 0; words--) {
        uint64_t kind = one_in(&m, 2) ? 1 : (draw(&m) >> 9) & 3;
        little(&m, (draw(&m) >> 8 & 0xfff) << 2 | kind, 8);
    }
    memcpy(input, &h, sizeof h);
    return (size_t)(m.at - input);
}
