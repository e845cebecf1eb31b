/* SPDX-License-Identifier: MIT
 *
 * A sink into memory, and a reader of the profiles that went into it, which shares no code with
 * their writer: gzip by zlib, the wire format by hand. What it finds is in `got`; what cannot be a
 * profile of the encoder is a failed assertion of the cmocka test at hand.
 */
#ifndef TEST_UNIT_PROFILE_DECODE_H
#define TEST_UNIT_PROFILE_DECODE_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- a sink into memory, and back from gzip ---- */

struct memory {
    size_t used, writes, fail_at; /* the write with number fail_at fails; 0: none */
    bool failed;
    unsigned char bytes[1 << 20];
};
static struct memory gzipped;

static int memory_write(void *arg, const void *buf, size_t n)
{
    struct memory *m = arg;
    assert_false(m->failed); /* never called again after an error */
    if (++m->writes == m->fail_at) {
        m->failed = true;
        return -ENOSPC;
    }
    assert_true(n > 0 && n <= sizeof m->bytes - m->used);
    memcpy(m->bytes + m->used, buf, n);
    m->used += n;
    return 0;
}

/* ---- the decoder ---- */

/* Field numbers of the profile. */
enum { TYPE = 1, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING, TIME = 9, DURATION, PERIOD_TYPE };
enum { PERIOD = 12, DEFAULT = 14, MAX = 8192, FIELDS = 11 };

struct bytes {
    const unsigned char *at, *end;
};
struct field {
    unsigned tag;
    uint64_t v; /* of a varint */
    struct bytes body;
};
struct decoded {
    /* By field number of the profile: how many, and of each, from 1, the fields by number. */
    size_t count[16];
    uint64_t item[16][MAX][FIELDS];
    uint64_t scalar[16];
    char *string[MAX]; /* from 0 */
    struct {
        uint64_t packed[3][256], label[FIELDS]; /* [1] the locations, [2] the values */
        size_t n[3], labels;
    } sample[64]; /* from 0 */
};
static struct decoded got;

static uint64_t varint(struct bytes *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(b->at < b->end && shift < 64);
        v |= (uint64_t)(*b->at & 0x7f) << shift;
        if (!(*b->at++ & 0x80)) {
            return v;
        }
    }
}

static bool next(struct bytes *b, struct field *f)
{
    if (b->at == b->end) {
        return false;
    }
    uint64_t key = varint(b);
    f->body = (struct bytes){NULL, NULL};
    f->tag = (unsigned)(key >> 3);
    f->v = varint(b);
    assert_true((key & 7) == 0 || (key & 7) == 2);
    if ((key & 7) == 2) {
        assert_true(f->v <= (uint64_t)(b->end - b->at));
        f->body = (struct bytes){b->at, b->at + f->v};
        b->at += f->v;
    } else {
        assert_int_not_equal(f->v, 0); /* zero scalars are omitted */
    }
    return true;
}

/* A message of scalars. A message inside it (the line of a location) stands for its field 1, which
 * is all it may have. */
static void decode_fields(struct bytes b, uint64_t *field)
{
    struct field f;
    while (next(&b, &f)) {
        assert_true(f.tag < FIELDS);
        struct field inner = f;
        assert_true(!f.body.at || (next(&f.body, &inner) && inner.tag == 1));
        assert_true(f.body.at == f.body.end);
        field[f.tag] = inner.v;
    }
}

static void decode_sample(struct bytes b)
{
    struct field f;
    typeof(&got.sample[0]) s = &got.sample[got.count[SAMPLE]++];
    while (next(&b, &f)) {
        if (f.tag == 3) {
            s->labels++;
            decode_fields(f.body, s->label);
            continue;
        }
        while (f.body.at < f.body.end) {
            s->packed[f.tag][s->n[f.tag]++] = varint(&f.body);
        }
    }
}

static void decode(void)
{
    static unsigned char raw[1 << 24];
    z_stream z = {.next_in = gzipped.bytes, .avail_in = (uInt)gzipped.used};
    z.next_out = raw;
    z.avail_out = sizeof raw;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    memset(&got, 0, sizeof got);
    struct bytes b = {raw, z.next_out};
    struct field f;
    static char text[1 << 20];
    char *end = text;
    while (next(&b, &f)) {
        if (f.tag == SAMPLE) {
            decode_sample(f.body);
        } else if (f.tag == STRING) {
            got.string[got.count[STRING]++] = end;
            memcpy(end, f.body.at, f.v);
            end += f.v;
            *end++ = '\0';
        } else if (f.body.at) {
            assert_true(f.tag <= FUNCTION || f.tag == PERIOD_TYPE);
            decode_fields(f.body, got.item[f.tag][++got.count[f.tag]]);
        } else {
            assert_true(f.tag < 16 && got.scalar[f.tag] ==
                                          0); /* a field twice would be two profiles in one file */
            got.scalar[f.tag] = f.v;
        }
    }
    assert_true(got.scalar[TIME] != 0 && got.scalar[7] + got.scalar[8] + got.scalar[13] == 0);
}

static const char *string(uint64_t id)
{
    assert_true(id < got.count[STRING]);
    return got.string[id];
}

/* What holds for every profile: dense ids, references that exist, one string of each. */
static void check_tables(void)
{
    assert_string_equal(string(0), "");
    for (size_t i = 0; i < got.count[STRING]; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(got.string[i], got.string[j]);
        }
    }
    for (unsigned tag = MAPPING; tag <= FUNCTION; tag++) {
        for (size_t i = 1; i <= got.count[tag]; i++) {
            assert_int_equal(got.item[tag][i][1], i);
        }
    }
    for (size_t i = 1; i <= got.count[MAPPING]; i++) {
        const uint64_t *m = got.item[MAPPING][i];
        assert_true(m[2] < m[3] && *string(m[5]) && string(m[6]));
        assert_int_equal(m[7] + m[8] + m[9] + m[10], 0);
    }
    for (size_t i = 1; i <= got.count[LOCATION]; i++) {
        assert_true(got.item[LOCATION][i][2] <= got.count[MAPPING]);
        assert_true(got.item[LOCATION][i][4] <= got.count[FUNCTION]);
    }
}

#endif
