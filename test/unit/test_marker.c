/* SPDX-License-Identifier: MIT
 *
 * The marker in the environment: what a value says, and what becomes of an environment that says
 * something else, or that cannot be read.
 */
#include "preload/marker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void test_value(void **state)
{
    (void)state;
    struct marker m = marker_read(NULL);
    assert_int_equal(m.filters, 0);
    assert_false(m.subreaper);
    assert_int_equal(m.raw, 0);
    m = marker_read("9");
    assert_int_equal(m.filters, 9);
    assert_false(m.subreaper);
    assert_int_equal(m.user, geteuid());
    m = marker_read("002,1,0001234,0000001000");
    assert_int_equal(m.filters, 2);
    assert_true(m.subreaper);
    assert_int_equal(m.raw, 1234);
    assert_int_equal(m.user, 1000);
    assert_int_equal(m.first, 0);
    m = marker_read("002,1,0001234,0000001000,0000042");
    assert_int_equal(m.user, 1000);
    assert_int_equal(m.first, 42);
    assert_true(marker_has_subreaper());
    m = marker_read("nonsense");
    assert_int_equal(m.filters, 0);
    assert_false(m.subreaper);
}

static void test_line(void **state)
{
    char line[MARKER_BYTES];
    (void)state;
    marker_read("3,0,0,1000,33");
    marker_write(line, 0);
    assert_string_equal(line, "PPROF_PARENT=003,0,0000000,0000001000,0000033");
    marker_begin(34, 12);
    marker_write(line, 4194304); /* the largest id */
    assert_string_equal(line, "PPROF_PARENT=012,0,4194304,0000001000,0000034");
}

static void test_put_right(void **state)
{
    char stale[] = "PPROF_PARENT=000,0,0000000,0000000007,0000005";
    char other[] = "OTHER=1";
    char longer[] = "PPROF_PARENTS=yes, this is another variable";
    char *env[] = {other, stale, longer, NULL};
    char *without[] = {other, longer, NULL};
    (void)state;
    marker_read("0,0,0,7,5");
    assert_ptr_equal(MARKER_PUT_RIGHT(env, 0), env); /* nothing to say */
    assert_ptr_equal(MARKER_PUT_RIGHT(without, 77), without);
    char *const *fresh = MARKER_PUT_RIGHT(env, 77);
    assert_ptr_not_equal(fresh, env);
    assert_ptr_equal(fresh[0], other);
    assert_string_equal(fresh[1], "PPROF_PARENT=000,0,0000077,0000000007,0000005");
    assert_ptr_equal(fresh[2], longer);
    assert_null(fresh[3]);
    assert_string_equal(
        stale, "PPROF_PARENT=000,0,0000000,0000000007,0000005"); /* the program's own stays */
    assert_ptr_equal(MARKER_PUT_RIGHT(fresh, 77), fresh);
}

/* The kernel is to refuse these, not this library to die of them. */
static void test_unreadable(void **state)
{
    long page = sysconf(_SC_PAGESIZE);
    char *two =
        mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_int_equal(munmap(two + page, (size_t)page), 0);
    char *last = two + page - 2; /* a string at the end of what can be read */
    strcpy(last, "A");
    char *bad_entry[] = {(char *)8, last, NULL};
    char **cut = (char **)(void *)(two + page - sizeof(char *)); /* no NULL behind it */
    marker_read("000,1");
    char **none = NULL;
    assert_null(MARKER_PUT_RIGHT(none, 0));
    char **volatile nowhere = (char **)8;
    char **bad = nowhere;
    assert_ptr_equal(MARKER_PUT_RIGHT(bad, 0), nowhere);
    assert_ptr_equal(MARKER_PUT_RIGHT(bad_entry, 0), bad_entry);
    *cut = last;
    assert_ptr_equal(MARKER_PUT_RIGHT(cut, 0), cut);
}

static void test_subreaper(void **state)
{
    char shorter[] = "PPROF_PARENT=0";
    char line[] = "PPROF_PARENT=001,0,0000000,0000000007,0000005";
    char *env[] = {line, shorter, NULL};
    char **before = environ;
    (void)state;
    marker_read("1,0,0,7,5");
    environ = env;
    marker_is_subreaper();
    environ = before;
    assert_string_equal(line, "PPROF_PARENT=001,1,0000000,0000000007,0000005");
    assert_string_equal(shorter, "PPROF_PARENT=0"); /* no room */
    assert_true(marker_has_subreaper());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value),     cmocka_unit_test(test_line),
        cmocka_unit_test(test_put_right), cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_subreaper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
