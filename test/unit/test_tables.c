/* SPDX-License-Identifier: MIT
 *
 * The shared structures, alone and by many threads at once: the table of live objects against a
 * model, the stack and bucket tables under concurrent insertion, the arena,
 * the bounds on what labels and names of threads may take.
 */
#include "collectors/base/arena.h"
#include "collectors/base/sys.h"
#include "collectors/heap/heap_labels.h"
#include "collectors/heap/live.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/delta.h"
#include "collectors/tables/table.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/thread_name.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Half a million insertions and removals at random of 4,096 addresses, checked against an array. */
static void test_live_model(void **state)
{
    (void)state;
    enum { ADDRESSES = 4096, STEPS = 500000 };
    static uint64_t size_of[ADDRESSES]; /* 0 = not in */
    static struct bucket bucket;
    uint64_t random = 88172645463325252ULL;
    for (int step = 0; step < STEPS; step++) {
        uint64_t k = next_random(&random) % ADDRESSES;
        void *p = (void *)(0x7f0000001000 + k * 4096 / 3 / 16 * 16); /* NOLINT: a key */
        struct live_object out;
        if (next_random(&random) & 1) {
            struct live_object in = {(uintptr_t)p, (uint64_t)step + 1, &bucket};
            assert_true(live_insert(&in, &out, false));
            assert_true((out.address != 0) == (size_of[k] != 0));
            assert_true(!out.address || out.size == size_of[k]);
            size_of[k] = in.size;
        } else {
            assert_true(!size_of[k] || (live_maybe(p) && live_maybe_far(p)));
            assert_true(live_remove(p, &out, false) == (size_of[k] != 0));
            assert_true(!size_of[k] || out.size == size_of[k]);
            size_of[k] = 0;
        }
    }
    int maybe = 0;
    for (uint64_t k = 0; k < ADDRESSES; k++) {
        void *p = (void *)(0x7f0000001000 + k * 4096 / 3 / 16 * 16); /* NOLINT: a key */
        struct live_object out;
        live_remove(p, &out, false);
    }
    for (int word = 0; word < 1 << (LIVE_NEAR_BITS - 6); word++) {
        maybe += __builtin_popcountll(live_near[word]);
    }
    assert_int_equal(maybe, 0); /* every bit was cleared by the last that needed it */
}

enum { THREADS = 8, PER_THREAD = 20000 };

static void *live_worker(void *arg)
{
    uintptr_t base = 0x100000000000 + (uintptr_t)arg * 0x1000000;
    static struct bucket bucket;
    for (uintptr_t round = 0; round < 3; round++) {
        for (uintptr_t i = 0; i < PER_THREAD; i++) {
            struct live_object in = {base + i * 48, i + 1, &bucket};
            struct live_object out;
            if (!live_insert(&in, &out, false) || out.address) {
                return "insert";
            }
        }
        for (uintptr_t i = 0; i < PER_THREAD; i++) {
            struct live_object out;
            if (!live_remove((void *)(base + i * 48), &out, false) || out.size != i + 1) {
                return "remove";
            }
        }
    }
    return NULL;
}

static struct table table;

/* All threads keep the same 5,000 stacks and count in the same buckets. */
static void *table_worker(void *arg)
{
    (void)arg;
    for (int i = 0; i < PER_THREAD; i++) {
        uintptr_t pcs[64];
        int depth = 1 + i % 60;
        for (int d = 0; d < depth; d++) {
            pcs[d] = 0x400000 + (uintptr_t)(i % 5000) * 16 + (uintptr_t)d;
        }
        const struct stack *s = stack_keep(pcs, depth);
        if (!s || s->depth != (uint32_t)depth ||
            memcmp(s->pc, pcs, sizeof pcs[0] * s->depth) != 0) {
            return "stack";
        }
        struct bucket *b = table_bucket(&table, s, NULL, (uint64_t)(i % 3), 7);
        if (!b || b->stack->hash != s->hash || b->key[0] != (uint64_t)(i % 3)) {
            return "bucket";
        }
        ADD(&b->value[0], 1);
    }
    return NULL;
}

static void run_threads(void *(*worker)(void *))
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)i), 0); /* NOLINT */
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

static void test_live_threads(void **state)
{
    (void)state;
    run_threads(live_worker);
}

static void add_value(void *node, void *arg)
{
    *(uint64_t *)arg += ((struct bucket *)node)->value[0];
}

static void test_table_threads(void **state)
{
    (void)state;
    run_threads(table_worker);
    uint64_t sum = 0;
    hashset_each(&table.set, add_value, &sum);
    assert_int_equal(sum, THREADS * PER_THREAD); /* nothing lost, whichever twin was counted in */
    /* i mod 5000, i mod 60 and i mod 3 make lcm(5000, 60) = 15,000 pairs; twins may add a few. */
    uint64_t buckets = hashset_count(&table.set);
    assert_true(buckets >= 15000 && buckets < 15000 + 15000 / 20);
}

static void test_table_find(void **state)
{
    (void)state;
    uintptr_t pcs[] = {0x1000, 0x2000};
    const struct stack *s = stack_keep(pcs, 2);
    assert_null(table_find(&table, s, NULL, 99, 99));
    struct bucket *b = table_bucket(&table, s, NULL, 99, 99);
    assert_non_null(b);
    assert_ptr_equal(table_find(&table, s, NULL, 99, 99), b);
    assert_ptr_equal(table_bucket(&table, s, NULL, 99, 99), b);
}

static void *arena_worker(void *arg)
{
    uint64_t mark = (uint64_t)(uintptr_t)arg + 1;
    uint64_t *blocks[500];
    for (int i = 0; i < 500; i++) {
        size_t words = 1 + (size_t)i % 100 * 8;
        blocks[i] = arena_alloc(words * sizeof(uint64_t));
        for (size_t w = 0; w < words; w++) {
            if (blocks[i][w] != 0) {
                return "not zero";
            }
            blocks[i][w] = mark << 32 | (unsigned)i;
        }
    }
    for (int i = 0; i < 500; i++) {
        if (blocks[i][0] != (mark << 32 | (unsigned)i) || (uintptr_t)blocks[i] % 16) {
            return "overlap";
        }
    }
    return NULL;
}

static void test_arena_threads(void **state)
{
    (void)state;
    run_threads(arena_worker);
}

static void test_arena_large(void **state)
{
    (void)state;
    char *p = arena_alloc(9 << 20); /* more than a chunk */
    assert_non_null(p);
    memset(p, 1, 9 << 20);
    assert_null(arena_alloc(SIZE_MAX / 2));
}

/* ---- labels of the heap ---- */

/* Beyond the bound, labels that have no bucket yet are told as ones that had no room. */
static void test_heap_labels(void **state)
{
    (void)state;
    assert_null(heap_labels_here()); /* off */
    heap_labels_start(true);
    assert_null(heap_labels_here());
    const struct labels *carried[2];
    const struct labels *seen[2];
    for (int i = 0; i < 2; i++) {
        const struct label pair = {"route", i ? "late" : "early"};
        carried[i] = labels_new(&pair, 1);
        if (i == 1) {
            for (long n = 0; n < HEAP_LABELS_MAX - 1; n++) {
                assert_ptr_equal(heap_labels_of_new(seen[0]), seen[0]);
            }
        }
        labels_carry(carried[i]);
        seen[i] = heap_labels_here();
        assert_non_null(seen[i]);
        if (i == 0) {
            assert_ptr_equal(heap_labels_of_new(seen[0]), seen[0]);
        }
    }
    assert_string_equal(seen[0]->label[0].value, "early");
    assert_string_equal(seen[1]->label[0].key, "labels");
    assert_string_equal(seen[1]->label[0].value, "[lost: no room]");
    assert_ptr_equal(heap_labels_of_new(seen[0]), seen[1]); /* on another stack */
    labels_carry(carried[0]);
    assert_ptr_equal(heap_labels_here(), seen[0]); /* there is a bucket of it */
    labels_drop();
    labels_unref(carried[0]);
    labels_unref(carried[1]);
}

/* ---- names of threads ---- */

static void test_thread_names(void **state)
{
    (void)state;
    assert_null(thread_name_here()); /* off */
    thread_name_start(true);
    char name[16] = "w\xffrker";
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
    const struct thread_name *here = thread_name_here();
    assert_string_equal(here->name, "w?rker");
    assert_int_equal(here->tid, gettid());
    assert_ptr_equal(thread_name_keep(here->tid, here->name), here);
    const struct thread_name *last = here;
    int tid = 1 << 23;
    for (; last->tid != 0; tid++) { /* as many as there is room for */
        last = thread_name_keep(tid, "pool");
        assert_string_equal(last->name, "pool");
    }
    assert_int_equal(tid - (1 << 23), THREAD_NAMES_MAX);
    assert_ptr_equal(thread_name_keep(tid, "pool"), last); /* by its name alone */
    assert_ptr_equal(thread_name_here(), here);
    assert_null(thread_name_keep(tid, ""));
    thread_name_start(false);
}

/* ---- delta ---- */

/* Random snapshots against a plain array of what was told, with samples that stand twice, are new
 * or have vanished, and with values that have gone down. */
static void test_delta(void **state)
{
    (void)state;
    enum { KEYS = 300 };
    enum { STATES = 1 << 2 | 1 << 3 };
    static struct snapshot_sample samples[2 * KEYS];
    static int64_t told[KEYS], now[KEYS], differences[KEYS];
    static char stacks[KEYS];
    struct delta *before = NULL;
    for (int round = 0; round < 50; round++) {
        size_t n = 0;
        memset(now, 0, sizeof now);
        for (int i = 0; i < 2 * KEYS; i++) {
            if (random() % 3 == 0) {
                int key = (int)(random() % KEYS);
                int64_t value = random() % 3;
                now[key] += value;
                samples[n++] =
                    (struct snapshot_sample){.stack = (void *)(stacks + key / 2), /* NOLINT */
                                             .bytes_label = (uint64_t)(key % 2),
                                             .value = {value, 0, value, 0}};
            }
        }
        struct delta *after;
        struct snapshot_sample *changed;
        size_t bytes;
        long made = delta_make(before, samples, n, STATES, &after, &changed, &bytes);
        memset(differences, 0, sizeof differences);
        for (long i = 0; i < made; i++) {
            long key = 2 * ((const char *)changed[i].stack - stacks) + (long)changed[i].bytes_label;
            assert_int_equal(differences[key], 0);           /* each once */
            assert_int_equal(changed[i].value[2], now[key]); /* a state: whole */
            assert_true(changed[i].value[0] > 0 || now[key] != 0);
            now[key] = -now[key]; /* its state was told */
            differences[key] = changed[i].value[0];
        }
        for (int key = 0; key < KEYS; key++) {
            assert_true(now[key] <= 0);
            assert_int_equal(differences[key], told[key] < -now[key] ? -now[key] - told[key] : 0);
            told[key] += differences[key];
        }
        sys_unmap(changed, bytes);
        delta_free(before);
        before = after;
    }
    delta_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_model),    cmocka_unit_test(test_live_threads),
        cmocka_unit_test(test_table_threads), cmocka_unit_test(test_table_find),
        cmocka_unit_test(test_delta),         cmocka_unit_test(test_arena_threads),
        cmocka_unit_test(test_arena_large),   cmocka_unit_test(test_heap_labels),
        cmocka_unit_test(test_thread_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
