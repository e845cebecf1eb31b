/* SPDX-License-Identifier: MIT
 *
 * The reserved address space: pieces of all sizes are zero, apart from each other and inside a
 * range; their places are used again; threads and forked children take pieces at once; when the
 * process's address space is limited, nothing is reserved.
 */
#include "collectors/base/reserve.h"
#include "collectors/base/sys.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { PIECES = 200, ROUNDS = 1000, RANGE = 32 << 20 };

static void *piece[PIECES];
static size_t bytes_of[PIECES];

static size_t some_bytes(unsigned *seed)
{
    static const size_t most[] = {1, 5000, 64 << 10, 256 << 10, 300 << 10, 3 << 20};
    return 1 + (size_t)rand_r(seed) % most[rand_r(seed) % 6];
}

static void fill(size_t i, unsigned *seed)
{
    bytes_of[i] = some_bytes(seed);
    char *p = piece[i] = reserve_take(bytes_of[i]);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % PAGE_BYTES, 0);
    assert_true(p[0] == 0 && p[bytes_of[i] - 1] == 0);
    memset(p, (int)i + 1, bytes_of[i]);
}

static void drop(size_t i)
{
    char *p = piece[i];
    assert_true(p[0] == (char)(i + 1) && p[bytes_of[i] - 1] == (char)(i + 1));
    assert_true(reserve_give(p, bytes_of[i]));
    assert_false(sys_readable((uintptr_t)p));
    piece[i] = NULL;
}

static void test_pieces(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = (size_t)rand_r(&seed) % PIECES;
        if (piece[i]) {
            drop(i);
        } else {
            fill(i, &seed);
        }
    }
    for (size_t i = 0; i < PIECES; i++) {
        if (piece[i]) {
            drop(i);
        }
    }
}

static void test_used_again(void **state)
{
    (void)state;
    void *first = reserve_take(1 << 20);
    assert_true(reserve_give(first, 1 << 20));
    for (int i = 0; i < ROUNDS; i++) {
        void *p = reserve_take(1 << 20);
        assert_ptr_equal(p, first);
        assert_true(reserve_give(p, 1 << 20));
    }
}

static void test_foreign(void **state)
{
    (void)state;
    char mine[16];
    assert_false(reserve_give(mine, sizeof mine));
    assert_null(reserve_take(0));
    assert_null(reserve_take((size_t)RANGE + 1));
    void *large = sys_map((size_t)RANGE + 1); /* past the ranges */
    assert_non_null(large);
    sys_unmap(large, (size_t)RANGE + 1);
    void *whole = reserve_take(RANGE);
    assert_non_null(whole);
    assert_true(reserve_give(whole, RANGE));
}

static void *taker(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        size_t n = some_bytes(&seed);
        char *p = sys_map(n);
        if (!p || p[0] || p[n - 1]) {
            return "not zero";
        }
        p[0] = p[n - 1] = 1;
        sys_unmap(p, n);
    }
    return NULL;
}

static void test_threads_and_forks(void **state)
{
    (void)state;
    pthread_t t[4];
    void *said;
    for (uintptr_t i = 0; i < 4; i++) {
        pthread_create(&t[i], NULL, taker, (void *)(i + 1)); /* NOLINT: a seed */
    }
    for (int i = 0; i < 10; i++) {
        int status = 1;
        pid_t child = fork();
        if (child == 0) {
            _exit(taker((void *)(uintptr_t)(100 + i)) != NULL); /* NOLINT: a seed */
        }
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &said);
        assert_null(said);
    }
}

/* Lines of /proc/self/maps. */
static int mappings(void)
{
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    for (int c = getc(f); c != EOF; c = getc(f)) {
        n += c == '\n';
    }
    fclose(f);
    return n;
}

static void test_one_mapping(void **state)
{
    (void)state;
    int before = mappings();
    void *p[100];
    for (int i = 0; i < 100; i++) {
        p[i] = reserve_take(4096);
    }
    assert_in_range(mappings(), before, before + 4);
    for (int i = 0; i < 100; i++) {
        reserve_give(p[i], 4096);
    }
    assert_in_range(mappings(), before - 4, before + 4);
}

static void test_released(void **state)
{
    (void)state;
    char *kept = reserve_take(5000);
    kept[4999] = 1;
    reserve_release();
    assert_true(kept[4999] == 1);
    assert_true(reserve_give(kept, 5000));
    void *plain[PIECES];
    for (int i = 0; i < PIECES; i++) { /* some of them where the ranges were */
        plain[i] = sys_map(300 << 10);
        assert_non_null(plain[i]);
    }
    for (int i = 0; i < PIECES; i++) {
        sys_unmap(plain[i], 300 << 10);
        assert_false(sys_readable((uintptr_t)plain[i]));
    }
}

static void test_limited(void **state)
{
    (void)state;
    struct rlimit limit = {1UL << 40, 1UL << 40};
    setrlimit(RLIMIT_AS, &limit);
    void *there[8]; /* ranges that the other tests have left empty */
    int n = 0;
    while (n < 8 && (there[n] = reserve_take((size_t)RANGE))) {
        n++;
    }
    assert_in_range(n, 0, 4);
    while (n-- > 0) {
        reserve_give(there[n], (size_t)RANGE);
    }
}

static int start(void **state)
{
    (void)state;
    assert_null(reserve_take(1));
    reserve_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),      cmocka_unit_test(test_used_again),
        cmocka_unit_test(test_foreign),     cmocka_unit_test(test_threads_and_forks),
        cmocka_unit_test(test_one_mapping), cmocka_unit_test(test_limited),
        cmocka_unit_test(test_released),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
