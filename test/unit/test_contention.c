/* SPDX-License-Identifier: MIT
 *
 * Waits of made-up length, so that what the sampling makes of them is exact: the block profile's
 * bias correction, the mutex profile's fraction, the sums of waiters.h, rates that change,
 * nesting.
 */
#include "collectors/base/lock_wait.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/base/ticks.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/waiters.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef size_t snapshot_of(struct snapshot_sample **out, size_t *bytes);

struct sums {
    double count, delay;
};

static struct sums sums_of(snapshot_of *snapshot)
{
    struct snapshot_sample *samples;
    size_t bytes;
    size_t n = snapshot(&samples, &bytes);
    struct sums s = {0, 0};
    for (size_t i = 0; i < n; i++) {
        if (samples[i].stack->pc[0] != PSEUDO_LOST_LOCK) {
            s.count += (double)samples[i].value[0];
            s.delay += (double)samples[i].value[1];
        }
    }
    sys_unmap(samples, bytes);
    return s;
}

static struct sums since(snapshot_of *snapshot, struct sums before)
{
    struct sums now = sums_of(snapshot);
    return (struct sums){now.count - before.count, now.delay - before.delay};
}

static uint64_t ticks_of(uint64_t ns)
{
    uint64_t now = ticks_now();
    return (uint64_t)((double)ns * 1e9 / (double)ticks_to_ns(1000000000, now));
}

/* A wait that began so long ago. */
static void wait_of(uint64_t ns)
{
    struct contention_wait w;
    uint64_t ticks = ticks_of(ns);
    contention_wait_begins(&w, NULL);
    w.began = ticks_now() - ticks;
    contention_wait_ends(&w, true);
}

/* 100,000 waits of 10 µs beside 10,000 of 100 µs at rate 50,000: all are there, within 5 %. */
static void test_block_bias(void **state)
{
    (void)state;
    contention_set_block_rate(50000);
    struct sums before = sums_of(contention_block_snapshot);
    for (int i = 0; i < 100000; i++) {
        wait_of(10000);
    }
    struct sums few = since(contention_block_snapshot, before);
    for (int i = 0; i < 10000; i++) {
        wait_of(100000);
    }
    struct sums all = since(contention_block_snapshot, before);
    /* p = 0.2: one sigma of n kept waits is sqrt(n (1 - p) / p) / n = 0.63 % */
    assert_true(fabs(few.count / 1e5 - 1) < 4 * 0.0064);
    assert_true(fabs(few.delay / 1e9 - 1) < 4 * 0.0064);
    assert_true(fabs(all.delay / 2e9 - 1) < 0.05);
    assert_true(fabs((all.count - few.count) / 1e4 - 1) < 1e-9);
}

static void test_block_exact(void **state)
{
    (void)state;
    contention_set_block_rate(1);
    struct sums before = sums_of(contention_block_snapshot);
    int64_t began = sys_clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 1000; i++) {
        wait_of(1000);
    }
    double took = (double)(sys_clock_ns(CLOCK_MONOTONIC) - began);
    struct sums all = since(contention_block_snapshot, before);
    assert_true(all.count == 1000);
    assert_true(all.delay > 0.998e6 && all.delay < 1e6 + took);
}

static void test_rates_change(void **state)
{
    (void)state;
    assert_int_equal(contention_set_block_rate(7), 1);
    assert_int_equal(contention_set_block_rate(-1), 7);
    assert_int_equal(contention_set_block_rate(0), 7);
    struct sums before = sums_of(contention_block_snapshot);
    wait_of(1000000);
    assert_true(since(contention_block_snapshot, before).count == 0);
    assert_true(contention_on);
    assert_int_equal(contention_set_mutex_fraction(0), 1);
    assert_false(contention_on);
    assert_int_equal(contention_set_mutex_fraction(1), 0);
    assert_int_equal(contention_set_block_rate(1), 0);
    wait_of(1000000);
    assert_true(since(contention_block_snapshot, before).count == 1);
}

/* n·now − Σt0, and each t0 moves to now. */
static void test_waiters(void **state)
{
    (void)state;
    static int lock;
    bool others;
    uint64_t now = ticks_now();
    assert_false(waiters_maybe(&lock));
    assert_true(waiters_enter(&lock, now - 1000000000));
    assert_true(waiters_enter(&lock, now - 3000000000));
    assert_true(waiters_maybe(&lock));
    uint64_t waited = waiters_claim(&lock, NULL, 0, &others);
    uint64_t rest = 2 * (ticks_now() - now); /* two wait on */
    assert_true(waited >= 4000000000 && waited <= 4000000000 + rest);
    waited = waiters_claim(&lock, NULL, 0, &others);
    assert_true(waited <= 2 * (ticks_now() - now));
    waiters_leave(&lock, now - 1000000000);
    waited = waiters_claim(&lock, NULL, 0, &others);
    assert_true(waited <= ticks_now() - now);
    waiters_leave(&lock, now - 3000000000);
    assert_false(waiters_maybe(&lock));
    assert_int_equal(waiters_claim(&lock, NULL, 0, &others), 0);
}

static uint32_t readers;
static uint32_t count_readers(const void *lock)
{
    (void)lock;
    return readers;
}

/* Of two readers that leave at the same moment, the second claims. */
static void test_readers(void **state)
{
    (void)state;
    static int lock;
    bool others;
    readers = 2;
    assert_true(waiters_enter(&lock, ticks_now() - 1000000000));
    assert_int_equal(waiters_claim(&lock, count_readers, 0, &others), 0);
    assert_true(others);
    assert_true(waiters_claim(&lock, count_readers, 0, &others) >= 1000000000);
    assert_false(others);
    waiters_released(&lock);
    waiters_leave(&lock, ticks_now());
    assert_false(waiters_maybe(&lock));
}

/* More locks in one bucket than it has entries; all are told apart. */
static void test_collisions(void **state)
{
    (void)state;
    enum { LOCKS = 20000 };
    static char locks[LOCKS];
    bool others;
    for (int i = 0; i < LOCKS; i++) {
        assert_true(waiters_enter(&locks[i], ticks_now() - 1000000000ULL * (uint64_t)(i % 3 + 1)));
    }
    for (int i = 0; i < LOCKS; i++) {
        uint64_t want = 1000000000ULL * (uint64_t)(i % 3 + 1);
        assert_true(waiters_claim(&locks[i], NULL, 0, &others) >= want);
        waiters_leave(&locks[i], 0);
    }
    for (int i = 0; i < LOCKS; i++) {
        assert_false(waiters_maybe(&locks[i]));
    }
}

static void test_fraction(void **state)
{
    (void)state;
    static int lock;
    enum { N = 20000, FRACTION = 10 };
    assert_int_equal(contention_set_mutex_fraction(FRACTION), 1);
    struct sums before = sums_of(contention_mutex_snapshot);
    for (int i = 0; i < N; i++) {
        struct contention_hold h;
        uint64_t began = ticks_now() - ticks_of(1000000);
        assert_true(waiters_enter(&lock, began));
        contention_release_begins(&h, &lock, NULL);
        contention_release_ends(&h, &lock, true);
        waiters_leave(&lock, began);
    }
    struct sums all = since(contention_mutex_snapshot, before);
    double sigma = sqrt((FRACTION - 1.0) / N);
    assert_true(fabs(all.count / N - 1) < 4 * sigma);
    assert_true(fabs(all.delay / (N * 1e6) - 1) < 4 * sigma + 0.05);
    contention_set_mutex_fraction(1);
}

/* A wait that was jumped out of is taken out at the thread's next one. */
static void test_abandoned(void **state)
{
    (void)state;
    static int first;
    static int second;
    struct contention_wait w;
    contention_wait_begins(&w, &first);
    assert_true(waiters_maybe(&first));
    contention_wait_begins(&w, &second);
    assert_false(waiters_maybe(&first));
    contention_wait_ends(&w, true);
    assert_false(waiters_maybe(&second));
    contention_wait_begins(&w, &first);
    contention_thread_end();
    assert_false(waiters_maybe(&first));
}

/* A handler that interrupts a wait, and waits for a lock itself, leaves the other waiters alone. */
static void test_nested(void **state)
{
    (void)state;
    static int first;
    static int second;
    struct contention_wait outer;
    struct contention_wait inner;
    assert_true(waiters_enter(&first, 1));
    contention_wait_begins(&outer, &first);
    contention_wait_begins(&inner, &second);
    contention_wait_ends(&inner, true);
    contention_wait_ends(&outer, true);
    assert_true(waiters_maybe(&first));
    waiters_leave(&first, 1);
    assert_false(waiters_maybe(&first));
    assert_false(waiters_maybe(&second));
}

/* A bucket whose holder was away for too long stays given up when it comes back. */
static int held_up;
static void *enter(void *arg)
{
    *(bool *)arg = waiters_enter(&held_up, ticks_now());
    return NULL;
}

static uint32_t held_up_holders(const void *lock)
{
    bool entered = true;
    pthread_t thread;
    (void)lock;
    assert_int_equal(pthread_create(&thread, NULL, enter, &entered), 0);
    pthread_join(thread, NULL);
    assert_false(entered);
    return 2;
}

static void test_given_up(void **state)
{
    (void)state;
    bool others;
    assert_true(waiters_enter(&held_up, ticks_now()));
    waiters_claim(&held_up, held_up_holders, 0, &others);
    waiters_leave(&held_up, ticks_now());
    assert_false(waiters_enter(&held_up, ticks_now()));
    assert_false(waiters_maybe(&held_up));
}

/* Threads that wait for our own locks are counted. */
static struct lock own;
static void *take_often(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        lock_take(&own, LOCK_CUSTOM);
        arch_spin_pause();
        lock_drop(&own);
    }
    return arg;
}

static void test_own_locks(void **state)
{
    (void)state;
    pthread_t threads[2];
    lock_take(&own, LOCK_CUSTOM);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_often, NULL), 0);
    }
    const struct timespec nap = {0, 50000000};
    nanosleep(&nap, NULL);
    lock_drop(&own);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    struct lock_waits waits = lock_waits();
    assert_true(waits.count >= 1 && waits.ns >= 20000000);
}

/* Many threads, one lock of the registry's, while another reads the tables: for TSan as much. */
static int shared_lock;
static void *contend(void *arg)
{
    for (int i = 0; i < 3000; i++) {
        struct contention_wait w;
        contention_wait_begins(&w, &shared_lock);
        contention_wait_ends(&w, true);
        if (waiters_maybe(&shared_lock)) {
            struct contention_hold h;
            contention_release_begins(&h, &shared_lock, NULL);
            contention_release_ends(&h, &shared_lock, true);
        }
    }
    return arg;
}

static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct sums before = sums_of(contention_block_snapshot);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, contend, NULL), 0);
    }
    for (int i = 0; i < 20; i++) {
        sums_of(contention_mutex_snapshot);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(since(contention_block_snapshot, before).count == THREADS * 3000);
    assert_false(waiters_maybe(&shared_lock));
}

int main(void)
{
    contention_collector.start(
        &(struct collector_settings){.block_rate = 50000, .mutex_fraction = 1, .seed = 42},
        CONTENTION_BLOCK | CONTENTION_MUTEX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_bias),   cmocka_unit_test(test_block_exact),
        cmocka_unit_test(test_rates_change), cmocka_unit_test(test_waiters),
        cmocka_unit_test(test_readers),      cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_fraction),     cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_nested),       cmocka_unit_test(test_own_locks),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
