/* SPDX-License-Identifier: MIT
 *
 * Sleepers on conditions, their signals, and what the holder of their mutex is charged with:
 * sleepers_table.h and its part of waiters_table.h, with times made up.
 */
#include "collectors/base/ticks.h"
#include "collectors/contention.h"
#include "collectors/sleepers_table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S 1000000000ULL

static int cond;
static int mutex;
static const uint64_t begun = 9;

static void wake(uint32_t inside, uint32_t most, uint64_t now)
{
    struct sleepers_asked wakes = {inside, begun};
    sleepers_wake(&cond, &wakes, most, now);
}

static uint64_t claim(void)
{
    bool others;
    return waiters_claim(&mutex, NULL, 0, &others);
}

/* In whole seconds: the rest is what the test itself takes. */
static uint64_t claim_seconds(void)
{
    return claim() / S;
}

static void nobody_left(void)
{
    assert_false(sleepers_maybe(&cond));
    assert_false(waiters_maybe(&mutex));
}

static void test_signal(void **state)
{
    (void)state;
    uint64_t now = ticks_now();
    assert_true(sleepers_enter(&cond, &mutex, 1));
    assert_true(sleepers_maybe(&cond));
    assert_false(waiters_maybe(&mutex));
    wake(1, 1, now - 3 * S);
    assert_false(sleepers_maybe(&cond));
    assert_true(waiters_maybe(&mutex));
    assert_true(waiters_woken_only(&mutex));
    assert_true(waiters_enter(&mutex, now - S));
    assert_false(waiters_woken_only(&mutex));
    assert_int_equal(claim_seconds(), 4);
    waiters_leave(&mutex, now - S);
    assert_true(waiters_woken_only(&mutex));
    assert_int_equal(claim_seconds(), 0);
    sleepers_leave(&cond, &mutex, false);
    nobody_left();
}

static void test_broadcast(void **state)
{
    (void)state;
    uint64_t now = ticks_now();
    for (int i = 0; i < 3; i++) {
        assert_true(sleepers_enter(&cond, &mutex, 1));
    }
    wake(3, 1, now - 9 * S);
    wake(2, UINT32_MAX, now - 2 * S); /* that one has left the condition for the mutex */
    assert_true(waiters_enter(&mutex, now - 1 * S)); /* one that locks it as usual */
    sleepers_leave(&cond, &mutex, false);            /* any of the three: (9 + 2 + 2) / 3 s */
    uint64_t left = claim();
    assert_true(left >= 2 * 13 * S / 3 + S - 2 && left < 2 * 13 * S / 3 + 2 * S);
    assert_int_equal(claim_seconds(), 0);
    sleepers_leave(&cond, &mutex, false);
    sleepers_leave(&cond, &mutex, false);
    waiters_leave(&mutex, now - 1 * S);
    nobody_left();
}

/* A holder whose word tells nothing, because it had to wait itself, is charged with its own time
 * alone, and with none if that is too short for anybody to have come. */
static void test_holder_took_it_late(void **state)
{
    (void)state;
    bool others;
    uint64_t now = ticks_now();
    assert_true(sleepers_enter(&cond, &mutex, 1));
    wake(1, 1, now - 9 * S);
    uint64_t waited = waiters_claim(&mutex, NULL, now - 2 * S, &others);
    assert_in_range(waited, 2 * S, 3 * S);
    assert_int_equal(waiters_claim(&mutex, NULL, ticks_now(), &others), 0);
    assert_true(waiters_enter(&mutex, now - 4 * S));
    waited = waiters_claim(&mutex, NULL, ticks_now(), &others);
    assert_in_range(waited, 4 * S, 5 * S);
    waiters_leave(&mutex, now - 4 * S);
    sleepers_leave(&cond, &mutex, false);
    nobody_left();
}

/* Signals that wake none of those that are known. */
static void test_nobody_woken(void **state)
{
    (void)state;
    assert_true(sleepers_enter(&cond, &mutex, 1));
    wake(0, 1, ticks_now()); /* it is not inside yet */
    assert_true(sleepers_maybe(&cond));
    assert_false(waiters_maybe(&mutex));
    wake(2, 1, ticks_now()); /* a stranger is, too: which of the two? */
    assert_false(waiters_maybe(&mutex));
    sleepers_leave(&cond, &mutex, false); /* by a signal unseen */
    nobody_left();
    sleepers_leave(&cond, &mutex, false); /* it began in the parent of a fork */
    nobody_left();
    assert_true(sleepers_enter(&cond, &mutex, 1));
    assert_true(sleepers_enter(&cond, &mutex, 1));
    wake(1, UINT32_MAX, ticks_now()); /* its wait has not begun yet: only the other is woken */
    assert_true(sleepers_maybe(&cond));
    assert_true(waiters_maybe(&mutex));
    sleepers_leave(&cond, &mutex, false);
    assert_false(waiters_maybe(&mutex));
    sleepers_wake(&cond, &(struct sleepers_asked){1, begun + 1}, 1, ticks_now());
    sleepers_leave(&cond, &mutex, false);
    nobody_left();
}

/* Of two, one is signalled, and the other's time is up first. */
static void test_by_time(void **state)
{
    (void)state;
    assert_true(sleepers_enter(&cond, &mutex, 1));
    assert_true(sleepers_enter(&cond, &mutex, 1));
    wake(2, 1, ticks_now() - S);
    sleepers_leave(&cond, &mutex, true);
    assert_true(waiters_maybe(&mutex));
    assert_false(sleepers_maybe(&cond));
    sleepers_leave(&cond, &mutex, true); /* signalled and out of time at the same moment */
    nobody_left();
}

/* Two conditions of one mutex: who is back from which is told apart where it matters. */
static void test_two_conditions(void **state)
{
    (void)state;
    static int other;
    uint64_t now = ticks_now();
    assert_true(sleepers_enter(&cond, &mutex, 1));
    assert_true(sleepers_enter(&other, &mutex, 1));
    wake(1, 1, now - 5 * S);
    sleepers_leave(&other, &mutex, true); /* its time was up: the woken one is still on its way */
    assert_false(sleepers_maybe(&other));
    assert_int_equal(claim_seconds(), 5);
    sleepers_leave(&cond, &mutex, false);
    nobody_left();
    for (int i = 0; i < 2; i++) {
        assert_true(sleepers_enter(&other, &mutex, 1));
    }
    assert_true(sleepers_enter(&cond, &mutex, 1));
    sleepers_wake(&other, &(struct sleepers_asked){2, begun}, 1, now - 3 * S);
    wake(1, 1, now - 4 * S);
    assert_int_equal(claim_seconds(), 7);
    sleepers_leave(&other, &mutex, false);
    sleepers_leave(&cond, &mutex, false);
    assert_false(waiters_maybe(&mutex));
    assert_true(sleepers_maybe(&other));
    sleepers_leave(&other, &mutex, false);
    assert_false(sleepers_maybe(&other));
    nobody_left();
}

/* One comes back that nobody has woken, while one of another condition is on its way: it is taken
 * for that, and that for it. */
static void test_taken_for_another(void **state)
{
    (void)state;
    static int other;
    for (int more = 0; more < 2; more++) {
        assert_true(sleepers_enter(&other, &mutex, 1));
        assert_true(sleepers_enter(&cond, &mutex, 1));
        if (more) {
            assert_true(sleepers_enter(&cond, &mutex, 1));
        }
        wake(1 + (uint32_t)more, 1, ticks_now());
        sleepers_leave(&other, &mutex, false);
        assert_false(waiters_maybe(&mutex));
        sleepers_leave(&cond, &mutex, false);
        if (more) {
            sleepers_leave(&cond, &mutex, false);
        }
        assert_false(sleepers_maybe(&other));
        nobody_left();
    }
}

/* A wait that was cancelled is taken out at the thread's next one of any kind, its next release of
 * what somebody waits for, or its end. */
static void test_abandoned(void **state)
{
    (void)state;
    static int other;
    struct contention_wait w;
    contention_condition_begins(&w, &cond, &mutex, 1);
    assert_true(sleepers_maybe(&cond));
    contention_wakes(&cond, &(struct sleepers_asked){1, begun}, 1);
    assert_true(waiters_maybe(&mutex));
    contention_condition_begins(&w, &other, &mutex, 1);
    nobody_left();
    contention_condition_ends(&w, true, false);
    assert_false(sleepers_maybe(&other));
    contention_condition_begins(&w, &cond, &mutex, 1);
    contention_thread_end();
    nobody_left();
    contention_condition_begins(&w, &cond, &mutex, 1);
    contention_wakes(&cond, &(struct sleepers_asked){1, begun}, 1);
    contention_wait_begins(&w, &other);
    contention_wait_ends(&w, true);
    nobody_left();
    contention_condition_begins(&w, &cond, &mutex, 1);
    contention_wakes(&cond, &(struct sleepers_asked){1, begun}, 1);
    struct contention_hold h;
    contention_release_begins(&h, &mutex, NULL);
    assert_int_equal(h.waited, 0);
    nobody_left();
}

/* Many conditions at once, from several threads; each wake is matched by its sleeper's return. */
enum { THREADS = 4, ROUNDS = 20000, CONDS = 64 };
static char conds[CONDS];
static char mutexes[CONDS];
static void *sleep_and_wake(void *arg)
{
    bool others;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t at = (i * 7 + (uint32_t)(uintptr_t)arg) % CONDS;
        sleepers_enter(&conds[at], &mutexes[at], 1);
        struct sleepers_asked wakes = {1 + i % 2, begun};
        sleepers_wake(&conds[at], &wakes, i % 3 ? 1 : UINT32_MAX, ticks_now());
        waiters_claim(&mutexes[at], NULL, 0, &others);
        sleepers_leave(&conds[at], &mutexes[at], i % 5 == 0);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, sleep_and_wake, (void *)(uintptr_t)i);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < CONDS; i++) {
        assert_false(sleepers_maybe(&conds[i]));
        assert_false(waiters_maybe(&mutexes[i]));
    }
}

int main(void)
{
    contention_start(true, 1, true, 1, 42);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holder_took_it_late),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_nobody_woken),
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_two_conditions),
        cmocka_unit_test(test_taken_for_another),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
