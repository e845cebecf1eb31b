/* SPDX-License-Identifier: MIT
 *
 * The check of the order of locks, which only builds with -DDEBUG_LOCKS have: this test brings its
 * own. A child process breaks the order, or keeps it, and is looked at: how did it end, what did it
 * say?
 */
#ifndef DEBUG_LOCKS
#define DEBUG_LOCKS
#endif
#include "collectors/base/lock.c" /* NOLINT: with the check in it */

#include "collectors/base/lock_wait.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct lock live, other_live, waiters, sleepers;
static uint32_t lost;
static char said[1024];

/* Runs act in a child; its wait status. What it wrote to stderr is in said[]. */
static int status_of(void (*act)(void))
{
    int ends[2];
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGILL, SIG_DFL); /* cmocka's handler would make a report of it */
        signal(SIGTRAP, SIG_DFL);
        dup2(ends[1], 2);
        act();
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], said, sizeof said - 1);
    said[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    return status;
}

static void upwards(void)
{
    lock_take(&live, LOCK_LIVE);
    lock_take(&sleepers, LOCK_SLEEPERS);
    if (lock_take_or_give_up(&waiters, LOCK_WAITERS, &lost)) {
        lock_drop(&waiters);
    }
    lock_drop(&live); /* in any order */
    lock_drop(&sleepers);
    lock_take(&live, LOCK_LIVE);
}

static void downwards(void)
{
    if (lock_try(&waiters, LOCK_WAITERS)) {
        lock_take(&live, LOCK_LIVE);
    }
}

static void downwards_giving_up(void)
{
    lock_take(&waiters, LOCK_WAITERS);
    (void)lock_take_or_give_up(&sleepers, LOCK_SLEEPERS, &lost);
}

static void two_shards(void)
{
    lock_take(&live, LOCK_LIVE);
    lock_take(&other_live, LOCK_LIVE);
}

static void downwards_tried(void)
{
    lock_take(&waiters, LOCK_WAITERS);
    if (lock_try(&live, LOCK_LIVE) && lock_try_for(&sleepers, LOCK_SLEEPERS, 1)) {
        lock_drop(&sleepers);
        lock_drop(&live);
    }
}

static jmp_buf out;

__attribute__((noinline)) static void left_by_a_jump(void)
{
    char deep[4096];
    memset(deep, 0, sizeof deep);
    __asm__ volatile("" : : "r"(deep) : "memory");
    lock_take(&waiters, LOCK_WAITERS);
    longjmp(out, 1);
}

static void orphaned(void)
{
    if (setjmp(out) == 0) {
        left_by_a_jump();
    }
    lock_take(&live, LOCK_LIVE);
}

static bool trapped(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

static void test_order_kept(void **state)
{
    (void)state;
    assert_int_equal(status_of(upwards), 0);
    assert_int_equal(status_of(downwards_tried), 0);
    assert_int_equal(status_of(orphaned), 0);
    assert_string_equal(said, "");
}

static void test_order_broken(void **state)
{
    (void)state;
    assert_true(trapped(status_of(downwards)));
    assert_non_null(strstr(said, "holds LOCK_WAITERS"));
    assert_non_null(strstr(said, "waits for LOCK_LIVE"));
    assert_true(trapped(status_of(downwards_giving_up)));
    assert_true(trapped(status_of(two_shards)));
    assert_non_null(strstr(said, "holds LOCK_LIVE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_kept),
        cmocka_unit_test(test_order_broken),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
