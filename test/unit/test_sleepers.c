/* SPDX-License-Identifier: MIT
 *
 * Sleepers on conditions, their signals, and what the holder of their mutex is charged with:
 * sleepers.h and its part of waiters.h, with times made up. All of it twice: as it goes
 * at once where it can, and the long way.
 */
#include "collectors/base/ticks.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/sleepers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S 1000000000ULL

static long cond;
static long other;
static int mutex;
static const uint64_t begun = 9;
static bool at_once;

/* ---- either way ---- */

static struct sleepers_entry *enter(const void *c, const void *m)
{
    struct sleepers_entry *e = at_once ? sleepers_enter_at_once(c, m, 1) : NULL;
    e = e ? e : sleepers_enter(c, m, 1);
    assert_non_null(e);
    return e;
}

static void wake(const void *c, uint32_t inside, uint32_t most, uint64_t now)
{
    if (!at_once || !sleepers_wake_at_once(c, inside, begun, most, now)) {
        sleepers_wake(c, inside, begun, most, now);
    }
}

static void leave(struct sleepers_entry *e, bool by_time)
{
    if (!at_once || by_time || !sleepers_leave_at_once(e)) {
        sleepers_leave(e, by_time);
    }
}

/* ---- what is there ---- */

static uint32_t asleep(const void *c)
{
    uint32_t n = 0;
    for (const struct sleepers_entry *e = &sleepers_bucket(c)->first; e; e = e->next) {
        n += e->cond == c ? e->asleep : 0;
    }
    assert_true(n == 0 || sleepers_maybe(c));
    return n;
}

static int entries_of(const void *c)
{
    int n = 0;
    for (const struct sleepers_entry *e = &sleepers_bucket(c)->first; e; e = e->next) {
        n++;
    }
    return n;
}

static uint32_t woken(const void *m)
{
    const struct waiters_entry *e = waiters_entry_of(waiters_bucket_of(m), m);
    assert_true(!e || e->woken == 0 || waiters_maybe_woken(m));
    return e ? e->woken : 0;
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
    assert_int_equal(asleep(&cond), 0);
    assert_int_equal(asleep(&other), 0);
    assert_int_equal(woken(&mutex), 0);
    assert_false(waiters_maybe(&mutex));
}

/* ---- the tests ---- */

static void test_signal(void **state)
{
    (void)state;
    uint64_t now = ticks_now();
    bool never = waiters_never(&mutex);
    struct sleepers_entry *e = enter(&cond, &mutex);
    assert_int_equal(asleep(&cond), 1);
    assert_int_equal(woken(&mutex), 0);
    wake(&cond, 1, 1, now - 3 * S);
    assert_int_equal(asleep(&cond), 0);
    assert_int_equal(woken(&mutex), 1);
    assert_false(waiters_maybe(&mutex));
    assert_int_equal(waiters_never(&mutex), never);
    assert_true(waiters_enter(&mutex, now - S));
    assert_true(waiters_maybe(&mutex));
    assert_int_equal(claim_seconds(), 4);
    waiters_leave(&mutex, now - S);
    assert_false(waiters_maybe(&mutex));
    assert_int_equal(claim_seconds(), 0);
    leave(e, false);
    nobody_left();
}

static void test_broadcast(void **state)
{
    (void)state;
    struct sleepers_entry *e = NULL;
    uint64_t now = ticks_now();
    for (int i = 0; i < 3; i++) {
        e = enter(&cond, &mutex);
    }
    wake(&cond, 3, 1, now - 9 * S);
    wake(&cond, 2, UINT32_MAX, now - 2 * S); /* that one has left the condition for the mutex */
    assert_true(waiters_enter(&mutex, now - 1 * S)); /* one that locks it as usual */
    leave(e, false);                                 /* any of the three: (9 + 2 + 2) / 3 s */
    uint64_t left = claim();
    assert_true(left >= 2 * 13 * S / 3 + S - 2 && left < 2 * 13 * S / 3 + 2 * S);
    assert_int_equal(claim_seconds(), 0);
    leave(e, false);
    leave(e, false);
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
    struct sleepers_entry *e = enter(&cond, &mutex);
    wake(&cond, 1, 1, now - 9 * S);
    uint64_t waited = waiters_claim(&mutex, NULL, now - 2 * S, &others);
    assert_in_range(waited, 2 * S, 3 * S);
    assert_int_equal(waiters_claim(&mutex, NULL, ticks_now(), &others), 0);
    assert_true(waiters_enter(&mutex, now - 4 * S));
    waited = waiters_claim(&mutex, NULL, ticks_now(), &others);
    assert_in_range(waited, 4 * S, 5 * S);
    waiters_leave(&mutex, now - 4 * S);
    leave(e, false);
    nobody_left();
}

/* Signals that wake none of those that are known. */
static void test_nobody_woken(void **state)
{
    (void)state;
    struct sleepers_entry *e = enter(&cond, &mutex);
    wake(&cond, 0, 1, ticks_now()); /* it is not inside yet */
    assert_int_equal(asleep(&cond), 1);
    assert_int_equal(woken(&mutex), 0);
    wake(&cond, 2, 1, ticks_now()); /* a stranger is, too: which of the two? */
    assert_int_equal(woken(&mutex), 0);
    leave(e, false); /* by a signal unseen */
    nobody_left();
    e = enter(&cond, &mutex);
    enter(&cond, &mutex);
    e->last = begun;
    wake(&cond, 1, UINT32_MAX, ticks_now()); /* its wait has not begun: only the other is woken */
    assert_int_equal(asleep(&cond), 1);
    assert_int_equal(woken(&mutex), 1);
    leave(e, false);
    assert_int_equal(woken(&mutex), 0);
    e->last = begun - 1;
    wake(&cond, 1, 1, ticks_now());
    assert_int_equal(woken(&mutex), 1);
    leave(e, false);
    nobody_left();
}

/* Of two, one is signalled, and the other's time is up first. */
static void test_by_time(void **state)
{
    (void)state;
    struct sleepers_entry *e = enter(&cond, &mutex);
    enter(&cond, &mutex);
    wake(&cond, 2, 1, ticks_now() - S);
    leave(e, true);
    assert_int_equal(woken(&mutex), 1);
    assert_int_equal(asleep(&cond), 0);
    leave(e, true); /* signalled and out of time at the same moment */
    nobody_left();
}

/* Two conditions of one mutex: each one's sleepers are its own, also where one comes back that no
 * signal has woken, while one of the other is on its way. */
static void test_two_conditions(void **state)
{
    (void)state;
    uint64_t now = ticks_now();
    struct sleepers_entry *first = enter(&cond, &mutex);
    struct sleepers_entry *second = enter(&other, &mutex);
    enter(&other, &mutex);
    assert_ptr_not_equal(first, second);
    wake(&cond, 1, 1, now - 5 * S);
    leave(second, true);
    assert_int_equal(asleep(&other), 1);
    leave(second, false);
    assert_int_equal(asleep(&other), 0);
    assert_int_equal(woken(&mutex), 1);
    assert_int_equal(claim_seconds(), 5);
    leave(first, false);
    nobody_left();
    enter(&other, &mutex);
    enter(&other, &mutex);
    enter(&cond, &mutex);
    wake(&other, 2, 1, now - 3 * S);
    wake(&cond, 1, 1, now - 4 * S);
    assert_int_equal(claim_seconds(), 7);
    leave(second, false);
    leave(first, false);
    assert_int_equal(woken(&mutex), 0);
    assert_int_equal(asleep(&other), 1);
    leave(second, false);
    nobody_left();
}

/* One condition, used with one mutex after the other. An entry goes to another pair when nobody is
 * in it, and only then. */
static void test_pairs(void **state)
{
    (void)state;
    enum { MUTEXES = 20, FEW = 4 };
    static int mutexes[MUTEXES];
    struct sleepers_entry *first = enter(&cond, &mutexes[0]);
    struct sleepers_entry *second = enter(&cond, &mutexes[1]);
    assert_ptr_not_equal(first, second);
    wake(&cond, 1, 1, ticks_now());
    assert_int_equal(woken(&mutexes[0]) + woken(&mutexes[1]), 1);
    leave(first, false);
    leave(second, false);
    assert_int_equal(woken(&mutexes[0]) + woken(&mutexes[1]), 0);
    assert_int_equal(asleep(&cond), 0);
    struct sleepers_entry *stays = enter(&cond, &mutex);
    int entries = entries_of(&cond);
    for (int i = 0; i < MUTEXES; i++) {
        struct sleepers_entry *e = enter(&cond, &mutexes[i]);
        assert_ptr_not_equal(e, stays);
        leave(e, false);
    }
    assert_true(entries_of(&cond) <= (entries > FEW ? entries : FEW));
    wake(&cond, 1, 1, ticks_now());
    assert_int_equal(woken(&mutex), 1);
    leave(stays, false);
    nobody_left();
}

/* Of two conditions of one bucket the first has the first place, until the other has come often
 * and nobody is in either. */
static void test_places(void **state)
{
    (void)state;
    static long conds[4 << SLEEPERS_BITS];
    int at = 1;
    while (sleepers_bucket(&conds[at]) != sleepers_bucket(&conds[0])) {
        at++;
    }
    const struct sleepers_entry *first = &sleepers_bucket(&conds[0])->first;
    struct sleepers_entry *rests = enter(&conds[0], &mutex);
    for (int i = 0; i < 1000; i++) {
        struct sleepers_entry *e = enter(&conds[at], &mutex);
        assert_ptr_not_equal(e, rests);
        leave(e, false);
    }
    leave(rests, false);
    int entries = entries_of(&conds[0]);
    struct sleepers_entry *comes = NULL;
    for (int i = 0; i < 1000 && comes != first; i++) {
        comes = enter(&conds[at], &mutex);
        wake(&conds[at], 1, 1, ticks_now());
        leave(comes, false);
    }
    assert_ptr_equal(comes, first);
    rests = enter(&conds[0], &mutex);
    assert_ptr_not_equal(rests, first);
    comes = enter(&conds[at], &mutex);
    assert_ptr_equal(comes, first);
    leave(comes, false);
    leave(rests, false);
    assert_int_equal(entries_of(&conds[0]), entries);
    nobody_left();
}

/* A wait that was cancelled is taken out at the thread's next one of any kind, its next release of
 * what somebody waits for, or its end. */
static void test_abandoned(void **state)
{
    (void)state;
    struct contention_wait w;
    for (int next = 0; next < 4; next++) {
        contention_condition_begins(&w, &cond, &mutex, 1);
        assert_int_equal(asleep(&cond), 1);
        if (next != 1) {
            contention_wakes(&cond, 1, begun, 1);
            assert_int_equal(woken(&mutex), 1);
        }
        if (next == 0) {
            contention_condition_begins(&w, &other, &mutex, 1);
            assert_int_equal(asleep(&other), 1);
            assert_int_equal(woken(&mutex), 0);
            contention_condition_ends(&w, true, false);
        } else if (next == 1) {
            contention_thread_end();
        } else if (next == 2) {
            contention_wait_begins(&w, &other);
            contention_wait_ends(&w, true);
        } else {
            struct contention_hold h;
            contention_release_begins(&h, &mutex, NULL);
            assert_int_equal(h.waited, 0);
        }
        nobody_left();
    }
}

/* A handler that waits for the same condition while its thread does: the one that it interrupted is
 * charged to nobody, and nobody is left. */
static void test_nested(void **state)
{
    (void)state;
    struct contention_wait outer;
    struct contention_wait inner;
    contention_condition_begins(&outer, &cond, &mutex, 1);
    contention_condition_begins(&inner, &cond, &mutex, 1);
    assert_int_equal(asleep(&cond), 1);
    contention_wakes(&cond, 1, begun, 1);
    contention_condition_ends(&inner, true, false);
    nobody_left();
    contention_condition_ends(&outer, true, false);
    nobody_left();
    contention_condition_begins(&outer, &cond, &mutex, 1);
    contention_condition_ends(&outer, false, false); /* an error */
    nobody_left();
}

/* Many conditions at once, from several threads, more than there are buckets; each wake is matched
 * by its sleeper's return. */
enum { THREADS = 4, ROUNDS = 20000, CONDS = 2 << SLEEPERS_BITS };
static char conds[8 * CONDS];
static char mutexes[CONDS];
static void *sleep_and_wake(void *arg)
{
    bool others;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t at = (i * 7 + (uint32_t)(uintptr_t)arg) % CONDS;
        const void *m = &mutexes[(at + i % 3) % CONDS];
        struct sleepers_entry *e = at_once ? sleepers_enter_at_once(&conds[8 * at], m, 1) : NULL;
        e = e ? e : sleepers_enter(&conds[8 * at], m, 1);
        wake(&conds[8 * at], 1 + i % 2, i % 3 ? 1 : UINT32_MAX, ticks_now());
        waiters_claim(m, NULL, 0, &others);
        leave(e, i % 5 == 0);
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
        assert_int_equal(asleep(&conds[8 * i]), 0);
        assert_int_equal(woken(&mutexes[i]), 0);
        assert_false(waiters_maybe(&mutexes[i]));
    }
}

static int take_the_long_way(void **state)
{
    (void)state;
    at_once = false;
    return 0;
}

static int take_the_short_way(void **state)
{
    (void)state;
    at_once = true;
    return 0;
}

int main(void)
{
    contention_collector.start(
        &(struct collector_settings){.block_rate = 1, .mutex_fraction = 1, .seed = 42},
        CONTENTION_BLOCK | CONTENTION_MUTEX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holder_took_it_late),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_nobody_woken),
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_two_conditions),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("long way", tests, take_the_long_way, NULL) +
           cmocka_run_group_tests_name("at once", tests, take_the_short_way, NULL);
}
