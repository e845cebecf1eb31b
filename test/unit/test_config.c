/* SPDX-License-Identifier: MIT
 *
 * The settings: every default, every limit, every refusal; globs; numbers and text.
 */
#include "collectors/base/text.h"
#include "collectors/kinds.h"
#include "preload/config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void read_env(const char *a, const char *b)
{
    char *env[] = {(char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL};
    config_read(env, false);
}

static void test_defaults(void **state)
{
    (void)state;
    read_env(NULL, NULL);
    assert_int_equal(config.signal, SIGUSR2);
    assert_int_equal(config.cpu_rate, 100);
    assert_int_equal(config.mem_rate, 524288);
    assert_int_equal(config.block_rate, 10000);
    assert_int_equal(config.mutex_fraction, 1);
    assert_int_equal(config.depth, 128);
    assert_int_equal(config.at_exit, 1);
    assert_int_equal(config.children, 1);
    assert_int_equal(config.symbolize, 1);
    assert_int_equal(config.exit_wait, 10);
    assert_int_equal(config.seed, 0);
    assert_null(config.only);
    assert_false(config.is_child);
    assert_true(config.out[0] == '/' && strcmp(strrchr(config.out, '/'), "/pprof") == 0);
    for (size_t i = 0; i < kinds_count; i++) {
        assert_true(kinds[i].enabled);
    }
}

static void test_values(void **state)
{
    (void)state;
    read_env("PPROF_CPU_RATE=997", "PPROF_MEM_RATE=1");
    assert_int_equal(config.cpu_rate, 997);
    assert_int_equal(config.mem_rate, 1);
    read_env("PPROF_OUT=/x/y", "PPROF_SEED=-5");
    assert_string_equal(config.out, "/x/y");
    assert_int_equal(config.seed, -5);
    read_env("PPROF_PROFILES=heap,cpu", NULL);
    assert_true(kinds_find("cpu", 3)->enabled && kinds_find("heap", 4)->enabled);
    assert_false(kinds_find("allocs", 6)->enabled);
}

static void test_signals(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        int number;
    } good[] = {{"PPROF_SIGNAL=USR1", SIGUSR1},
                {"PPROF_SIGNAL=SIGHUP", SIGHUP},
                {"PPROF_SIGNAL=none", 0},
                {"PPROF_SIGNAL=10", 10}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        read_env(good[i].setting, NULL);
        assert_int_equal(config.signal, good[i].number);
    }
    read_env("PPROF_SIGNAL=RTMIN+3", NULL);
    assert_int_equal(config.signal, SIGRTMIN + 3);
    read_env("PPROF_SIGNAL=RTMIN", NULL);
    assert_int_equal(config.signal, SIGRTMIN);
    static const char *const bad[] = {
        "PPROF_SIGNAL=KILL", "PPROF_SIGNAL=9",  "PPROF_SIGNAL=STOP",
        "PPROF_SIGNAL=32",   "PPROF_SIGNAL=",   "PPROF_SIGNAL=RTMIN+99",
        "PPROF_SIGNAL=65",   "PPROF_SIGNAL=-1", "PPROF_SIGNAL=RTMIN+"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        read_env(bad[i], NULL);
        assert_int_equal(config.signal, SIGUSR2);
    }
}

static void test_absurd(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "PPROF_CPU_RATE=x", "PPROF_CPU_RATE=-1",     "PPROF_CPU_RATE=1000000",
        "PPROF_CPU_RATE=",  "PPROF_CPU_RATE=100 Hz", "PPROF_CPU_RATE=99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        read_env(bad[i], NULL);
        assert_int_equal(config.cpu_rate, 100);
    }
    read_env("PPROF_DEPTH=0", "PPROF_AT_EXIT=2");
    assert_int_equal(config.depth, 128);
    assert_int_equal(config.at_exit, 1);
    read_env("PPROF_PROFILES=cpu,nonsense", NULL);
    assert_true(kinds_find("allocs", 6)->enabled);
    char *longest = malloc(10000);
    memset(longest, 'a', 9999);
    memcpy(longest, "PPROF_OUT=/", 11);
    longest[9999] = '\0';
    read_env(longest, NULL);
    assert_string_equal(strrchr(config.out, '/'), "/pprof"); /* the default, absolute too */
    free(longest);
}

static void test_secure(void **state)
{
    (void)state;
    char *env[] = {(char *)(uintptr_t) "PPROF_CPU_RATE=7", NULL};
    config_read(env, true);
    assert_int_equal(config.cpu_rate, 100);
}

static void test_globs(void **state)
{
    (void)state;
    assert_true(config_glob_list("redis-server", "redis-server"));
    assert_true(config_glob_list("x,redis*", "redis-server"));
    assert_true(config_glob_list("*", ""));
    assert_true(config_glob_list("a*b*c", "axxbyyc"));
    assert_true(config_glob_list("?at,dog", "cat"));
    assert_false(config_glob_list("redis", "redis-server"));
    assert_false(config_glob_list("a*b", "axxc"));
    assert_false(config_glob_list("", "cat"));
    assert_false(config_glob_list("?", ""));
}

static void test_text(void **state)
{
    (void)state;
    char buf[16];
    struct text t = text_in(buf, sizeof buf);
    text_add(&t, "n=");
    text_add_int(&t, 7, 3);
    assert_string_equal(buf, "n=007");
    text_add_hex(&t, 0xbeef);
    assert_string_equal(buf, "n=007beef");
    text_add(&t, "0123456789");
    assert_true(t.cut && strlen(buf) == 15);
    t = text_in(buf, sizeof buf);
    text_add_int(&t, -12, 0);
    assert_string_equal(buf, "-12");
    char wide[32];
    t = text_in(wide, sizeof wide);
    text_add_int(&t, INT64_MIN, 0);
    assert_string_equal(wide, "-9223372036854775808");
    const char *s = "ffz";
    uint64_t v;
    assert_true(text_read_hex(&s, &v) && v == 255 && *s == 'z');
    s = "11112222333344445";
    assert_false(text_read_hex(&s, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
        cmocka_unit_test(test_signals),  cmocka_unit_test(test_absurd),
        cmocka_unit_test(test_secure),   cmocka_unit_test(test_globs),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
