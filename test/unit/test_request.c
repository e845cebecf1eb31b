/* SPDX-License-Identifier: MIT
 *
 * A request for profiles (preload/output/request.h), served into memory: two consumers of
 * differences over one table, in random order, beside one that is given everything; sinks that
 * fail; and which profiles and forms come.
 */
#include "collectors/custom.h"
#include "collectors/stacks/stack.h"
#include "preload/output/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STACKS = 5, KEYS = 40, TEXT_MAX = 1 << 16 };
#define PC(i) (0x1000UL * ((uintptr_t)(i) + 1))

/* A sink that keeps the last profile, and tells what was asked of it. */
struct memory_sink {
    struct sink sink;
    char text[TEXT_MAX];
    size_t used;
    int fail_begin, fail_end; /* -errno; 0 = does not fail */
    char calls[256];          /* a word a call */
};

static void note(struct memory_sink *m, const char *what, const char *name)
{
    size_t n = strlen(m->calls);
    snprintf(m->calls + n, sizeof m->calls - n, "%s%s ", what, name);
}

static int memory_open(struct sink *s, const struct request *r, const struct render_moment *m)
{
    assert_non_null(r->kinds);
    assert_non_null(m->maps);
    note((struct memory_sink *)s, "open", "");
    return 0;
}

static int take(void *sink, const void *buf, size_t n)
{
    struct memory_sink *m = sink;
    assert_true(m->used + n < sizeof m->text);
    memcpy(m->text + m->used, buf, n);
    m->used += n;
    m->text[m->used] = '\0';
    return 0;
}

static int memory_begin(struct sink *s, const struct kind *k, enum form form,
                        struct byte_sink *bytes)
{
    struct memory_sink *m = (struct memory_sink *)s;
    static const char *const forms[FORM_COUNT] = {"pb:", "d1:", "d2:"};
    note(m, forms[form], kind_name(k));
    m->used = 0;
    *bytes = (struct byte_sink){take, m};
    return m->fail_begin;
}

static int memory_end(struct sink *s, int error)
{
    struct memory_sink *m = (struct memory_sink *)s;
    return error ? error : m->fail_end;
}

static void memory_close(struct sink *s)
{
    note((struct memory_sink *)s, "close", "");
}

static void memory_init(struct memory_sink *m)
{
    memset(m, 0, sizeof *m);
    m->sink = (struct sink){memory_open, memory_begin, memory_end, memory_close};
}

/* ---- differences ---- */

struct consumer {
    struct memory_sink sink;
    struct since since;
    long had[STACKS]; /* what it was given, added up */
};

static const struct kind *profile; /* one of the program's own: its entries are a state */
static struct kind events;         /* the same, as if each entry were an event */
static const struct stack *stacks[STACKS];
static long truth[STACKS];
static int stack_of_key[KEYS]; /* −1 = the key is not in */

static size_t events_snapshot(struct snapshot_sample **out, size_t *bytes)
{
    return custom_snapshot(profile, out, bytes);
}

static void change(bool removes)
{
    static char keys[KEYS];
    static uintptr_t further = 1 << 20;
    int k = rand() % KEYS;
    if (stack_of_key[k] < 0) {
        stack_of_key[k] = rand() % STACKS;
        assert_int_equal(custom_add(profile, &keys[k], stacks[stack_of_key[k]]), 0);
        truth[stack_of_key[k]]++;
    } else if (removes) {
        custom_remove(profile, &keys[k]);
        truth[stack_of_key[k]]--;
        stack_of_key[k] = -1;
    } else {
        int at = rand() % STACKS;
        assert_int_equal(custom_add(profile, (const void *)further++, stacks[at]), 0);
        truth[at]++;
    }
}

/* The counts of a text: lines "COUNT @ 0xPC". */
static void read_counts(const char *text, long *counts)
{
    memset(counts, 0, STACKS * sizeof *counts);
    for (const char *at = text; (at = strstr(at, " @ 0x")); at++) {
        const char *line = at;
        while (line > text && line[-1] != '\n') {
            line--;
        }
        unsigned long pc = strtoul(at + 3, NULL, 16);
        assert_true(pc % 0x1000 == 0 && pc / 0x1000 >= 1 && pc / 0x1000 <= STACKS);
        long n = strtol(line, NULL, 10);
        assert_int_not_equal(n, 0);
        counts[pc / 0x1000 - 1] += n;
    }
}

static int ask(struct consumer *c, bool differences)
{
    static const struct kind *asked = &events;
    const struct request r = {.kinds = &asked,
                              .count = 1,
                              .forms = 1U << FORM_DEBUG1,
                              .sink = &c->sink.sink,
                              .since = differences ? &c->since : NULL};
    return request_serve(&r, NULL);
}

static void is_given(struct consumer *c, bool differences)
{
    long counts[STACKS];
    assert_int_equal(ask(c, differences), 0);
    read_counts(c->sink.text, counts);
    for (int i = 0; i < STACKS; i++) {
        c->had[i] = counts[i] + (differences ? c->had[i] : 0);
        assert_int_equal(c->had[i], truth[i]); /* neither less, nor what another was given */
    }
}

static void test_two_consumers(void **state)
{
    (void)state;
    static struct consumer a, b, all;
    memory_init(&a.sink);
    memory_init(&b.sink);
    memory_init(&all.sink);
    srand(1);
    int failed = 0;
    for (int step = 0; step < 3000; step++) {
        change(false);
        struct consumer *c = rand() % 3 ? &a : &b; /* one asks more often than the other */
        c->sink.calls[0] = all.sink.calls[0] = '\0';
        switch (rand() % 8) {
        case 0:
            is_given(c, true);
            break;
        case 1: /* what it could not take comes with the next */
            c->sink.fail_end = rand() % 2 ? -ENOSPC : 0;
            c->sink.fail_begin = c->sink.fail_end ? 0 : -EACCES;
            assert_int_equal(ask(c, true), c->sink.fail_end + c->sink.fail_begin);
            c->sink.fail_begin = c->sink.fail_end = 0;
            failed++;
            break;
        case 2:
            is_given(&all, false);
            break;
        default:
            break;
        }
    }
    assert_true(failed > 100);
    is_given(&a, true);
    is_given(&b, true);
    since_forget(&a.since);
    memset(a.had, 0, sizeof a.had);
    is_given(&a, true); /* all of it again */
    a.sink.calls[0] = b.sink.calls[0] = '\0';
    is_given(&b, true); /* nothing has changed for this one */
    since_forget(&a.since);
    since_forget(&b.since);
}

/* What is a state is told whole each time, also where it has gone down. */
static void test_states(void **state)
{
    (void)state;
    static struct consumer c;
    memory_init(&c.sink);
    const struct request r = {.kinds = &profile,
                              .count = 1,
                              .forms = 1U << FORM_DEBUG1,
                              .sink = &c.sink.sink,
                              .since = &c.since};
    for (int step = 0; step < 300; step++) {
        long counts[STACKS];
        change(true);
        c.sink.calls[0] = '\0';
        assert_int_equal(request_serve(&r, NULL), 0);
        read_counts(c.sink.text, counts);
        assert_memory_equal(counts, truth, sizeof truth);
    }
    since_forget(&c.since);
}

/* One memory holds as many profiles as there are. */
static void test_many_profiles(void **state)
{
    (void)state;
    enum { PROFILES = 40 };
    static int marks[PROFILES];
    struct since since = {NULL};
    static const struct profile_shape shape = {.values = 1};
    struct snapshot_sample sample = {.stack = stacks[0], .value = {0}};
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < PROFILES; i++) {
            struct since_step step;
            struct snapshot snap = {
                .shape = &shape, .sample = &sample, .samples = 1, .duration_nanos = 10 * round};
            sample.value[0] = (int64_t)round * round * (i + 1);
            assert_int_equal(since_begin(&step, &since, &marks[i], &snap), 0);
            assert_int_equal(snap.samples, 1);
            assert_int_equal(snap.sample->value[0], (2 * round - 1) * (i + 1));
            assert_int_equal(snap.duration_nanos, 10);
            since_end(&step, true);
        }
    }
    since_forget(&since);
}

/* ---- which ones ---- */

static struct kind *row(const char *name)
{
    return kinds_find(name, strlen(name));
}

static void test_kinds_and_forms(void **state)
{
    (void)state;
    static struct memory_sink m;
    memory_init(&m);
    struct request r = {.forms = 1U << FORM_PROTOBUF | 1U << FORM_DEBUG1 | 1U << FORM_DEBUG2,
                        .sink = &m.sink};
    const struct kind *heap = row("heap");
    const struct kind *block = row("block");
    for (size_t i = 0; i < kinds_count; i++) {
        kinds[i].enabled = &kinds[i] == heap || &kinds[i] == row("mutex");
    }
    assert_int_equal(request_serve(&r, NULL), 0);
    assert_string_equal(m.calls, "open pb:heap d1:heap pb:mutex d1:mutex pb:unit d1:unit close ");
    assert_false(request_needs_threads(&r));
    row("goroutine")->enabled = true;
    assert_true(request_needs_threads(&r));

    const struct kind *two[] = {block, heap}; /* also one that is off */
    r.kinds = two;
    r.count = 2;
    r.forms = 1U << FORM_PROTOBUF;
    m.calls[0] = '\0';
    assert_int_equal(request_serve(&r, NULL), 0);
    assert_string_equal(m.calls, "open pb:block pb:heap close ");
    assert_false(request_needs_threads(&r));

    m.fail_begin = -EROFS; /* the first error is told, and the others are tried all the same */
    m.calls[0] = '\0';
    assert_int_equal(request_serve(&r, NULL), -EROFS);
    assert_string_equal(m.calls, "open pb:block pb:heap close ");
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < STACKS; i++) {
        const uintptr_t pc[] = {PC(i)};
        stacks[i] = stack_keep(pc, 1);
    }
    memset(stack_of_key, -1, sizeof stack_of_key);
    int err = custom_new("unit", &profile);
    events = *profile;
    events.snapshot = events_snapshot;
    events.shape.states = 0;
    return err;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_consumers),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_many_profiles),
        cmocka_unit_test(test_kinds_and_forms),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
