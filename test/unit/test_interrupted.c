/* SPDX-License-Identifier: MIT
 *
 * A handler of the program's interrupts what is done at a wait or a release, and waits or releases
 * itself: at each instruction of it in turn. Afterwards nobody is left to wait,
 * and what the interrupted thread waited and kept others waiting has been counted once.
 */
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/base/ticks.h"
#include "collectors/stacks/stack.h"
#include "collectors/waits/contention.h"
#include "collectors/waits/sleepers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

enum { MUTEX = 1, OTHER_MUTEX = 2, LOCK = 3, OTHER_LOCK = 4 };
static char objects[5][64];
static const void *const cond = objects[0];
static uint64_t begun;
static int interruptions;

/* ---- what is done, and what interrupts it ---- */

static void waits(const void *lock)
{
    struct contention_wait w;
    contention_wait_begins(&w, lock);
    contention_wait_ends(&w, true);
}

static void waits_for_lock(void)
{
    waits(objects[LOCK]);
}

static void waits_for_other_lock(void)
{
    waits(objects[OTHER_LOCK]);
}

static void waits_for_nothing_held(void)
{
    waits(NULL);
}

static void releases(void)
{
    struct contention_hold h;
    contention_release_begins(&h, objects[LOCK], NULL);
    contention_release_ends(&h, objects[LOCK], true);
}

static void sleeps(void)
{
    struct contention_wait w;
    contention_condition_begins(&w, cond, objects[MUTEX], begun++);
    contention_wakes(cond, 1, begun, 1);
    contention_condition_ends(&w, true, false);
}

static void sleeps_too_long(void)
{
    struct contention_wait w;
    contention_condition_begins(&w, cond, objects[OTHER_MUTEX], begun++);
    contention_condition_ends(&w, true, true);
}

static void ends(void)
{
    contention_thread_end();
}

/* What the thread has left behind before: nothing, a wait for a lock, or for a condition, or both.
 */
static void jumped_out_of_wait(void)
{
    struct contention_wait w;
    contention_wait_begins(&w, objects[LOCK]);
}

static void jumped_out_of_sleep(void)
{
    struct contention_wait w;
    contention_condition_begins(&w, cond, objects[MUTEX], begun++);
}

static void jumped_out_of_both(void)
{
    jumped_out_of_wait();
    jumped_out_of_sleep();
}

static void nothing(void)
{
}

static const struct scene {
    void (*before)(void), (*done)(void);
    int waits, releases; /* that it counts for */
} scenes[] = {
    {nothing, waits_for_lock, 1, 0},
    {nothing, sleeps, 1, 0},
    {nothing, sleeps_too_long, 1, 0},
    {nothing, releases, 0, 1},
    {jumped_out_of_wait, waits_for_other_lock, 1, 0},
    {jumped_out_of_sleep, waits_for_lock, 1, 0},
    {jumped_out_of_sleep, sleeps_too_long, 1, 0},
    {jumped_out_of_sleep, releases, 0, 1},
    {jumped_out_of_both, ends, 0, 0},
};

static void (*const handlers[])(void) = {
    waits_for_lock, waits_for_other_lock, waits_for_nothing_held, releases, sleeps, sleeps_too_long,
};

/* ---- one instruction after the other ----
 *
 * A scene is gone through once by single steps, for where it comes by, and then again and again
 * with a breakpoint at one of these places: a step takes the kernel far longer than the program. */

extern const char __executable_start[];
extern const char etext[];
enum { PLACES_MOST = 20000 };
static uint8_t *places[PLACES_MOST];
static volatile size_t places_seen;
static uint8_t *breakpoint; /* NULL: steps */
static uint8_t under_it;
static void (*volatile handler)(void);

static void on_trap(int signal, siginfo_t *info, void *context)
{
    greg_t *at = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    (void)signal;
    (void)info;
    if (breakpoint) {
        *breakpoint = under_it;
        *at = (greg_t)(uintptr_t)breakpoint;
        breakpoint = NULL;
        handler();
    } else if (*at >= (greg_t)(uintptr_t)__executable_start && *at < (greg_t)(uintptr_t)etext &&
               places_seen < PLACES_MOST) {
        places[places_seen++] = (uint8_t *)(uintptr_t)*at;
    }
}

static inline __attribute__((always_inline)) void step_from_here(void)
{
    __asm__ volatile("pushfq\n orq $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
}

static inline __attribute__((always_inline)) void step_no_more(void)
{
    __asm__ volatile("pushfq\n andq $-0x101, (%%rsp)\n popfq" ::: "memory", "cc");
}

static void text_may_be_written(void)
{
    uintptr_t from = (uintptr_t)__executable_start & -4096UL;
    uintptr_t size = (uintptr_t)etext - from;
    assert_int_equal(mprotect((void *)from, size, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
}

static int by_address(const void *a, const void *b)
{
    const uint8_t *x = *(uint8_t *const *)a;
    const uint8_t *y = *(uint8_t *const *)b;
    return (x > y) - (x < y);
}

/* Each of the places once. */
static size_t distinct(void)
{
    size_t n = 0;
    qsort(places, places_seen, sizeof places[0], by_address);
    for (size_t i = 0; i < places_seen; i++) {
        if (i == 0 || places[i] != places[i - 1]) {
            places[n++] = places[i];
        }
    }
    return n;
}

/* ---- judged ---- */

static int counted(size_t (*snapshot)(struct snapshot_sample **out, size_t *bytes))
{
    struct snapshot_sample *samples;
    size_t bytes;
    size_t n = snapshot(&samples, &bytes);
    int all = 0;
    for (size_t i = 0; i < n; i++) {
        all += samples[i].stack->pc[0] != PSEUDO_LOST_LOCK ? (int)samples[i].value[0] : 0;
    }
    sys_unmap(samples, bytes);
    return all;
}

static void nobody_left(void)
{
    assert_null(self.waiting);
    assert_null(self.asleep);
    assert_false(self.waits_busy);
    for (int i = 0; i < 1 << SLEEPERS_BITS; i++) {
        for (const struct sleepers_entry *e = &sleepers_buckets[i].first; e; e = e->next) {
            assert_int_equal(e->asleep + e->woken, 0);
        }
    }
    for (int i = 0; i < 1 << WAITERS_BITS; i++) {
        for (const struct waiters_entry *e = &waiters_buckets[i].first; e; e = e->next) {
            assert_int_equal(e->n, e->lock == (uintptr_t)objects[LOCK]); /* the other thread */
            assert_int_equal(e->woken, 0);
        }
        assert_false(waiters_buckets[i].lock.taken);
    }
}

static void go_through(const struct scene *scene, uint8_t *place, void (*by)(void))
{
    uint64_t other = ticks_now();
    waits_for_lock(); /* each place is known by now: all goes at once that can */
    sleeps();
    sleeps_too_long();
    assert_true(waiters_enter(objects[LOCK], other));
    int waits_before = counted(contention_block_snapshot);
    int releases_before = counted(contention_mutex_snapshot);
    scene->before();
    if (place) {
        handler = by;
        breakpoint = place;
        under_it = *place;
        *place = 0xcc;
        scene->done();
    } else {
        places_seen = 0;
        step_from_here();
        scene->done();
        step_no_more();
    }
    bool came = place && !breakpoint;
    if (breakpoint) { /* what led that way was in the caches of the tables, the first time */
        *place = under_it;
        breakpoint = NULL;
    }
    int all_waits = counted(contention_block_snapshot) - waits_before;
    int all_releases = counted(contention_mutex_snapshot) - releases_before;
    assert_in_range(all_waits, scene->waits, scene->waits + (came && by != releases));
    assert_in_range(all_releases, scene->releases, scene->releases + (came && by == releases));
    contention_thread_end();
    nobody_left();
    waiters_leave(objects[LOCK], other);
    assert_false(waiters_maybe(objects[LOCK]));
    interruptions += came;
}

static void test_each_instruction(void **state)
{
    (void)state;
    const struct sigaction traps = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    struct sigaction before;
    assert_int_equal(sigaction(SIGTRAP, &traps, &before), 0);
    text_may_be_written();
    for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
        go_through(&scenes[i], NULL, NULL);
        go_through(&scenes[i], NULL, NULL);
        size_t n = distinct();
        for (size_t at = 0; at < n; at++) {
            for (size_t h = 0; h < ARRAY_LEN(handlers); h++) {
                go_through(&scenes[i], places[at], handlers[h]);
            }
        }
    }
    sigaction(SIGTRAP, &before, NULL);
    print_message("%d interruptions\n", interruptions);
    assert_true(interruptions > 2000);
}

int main(void)
{
    contention_collector.start(
        &(struct collector_settings){.block_rate = 1, .mutex_fraction = 1, .seed = 42},
        CONTENTION_BLOCK | CONTENTION_MUTEX);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
