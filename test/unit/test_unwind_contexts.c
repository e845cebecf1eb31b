/* SPDX-License-Identifier: MIT
 *
 * The stack walk where it runs: in a signal handler at random instants, in a thread with a small
 * stack, in a thread without a thread block, while another thread holds the rules lock. The truth
 * is libunwind's slow step, as in test_unwind.c, whose subject is the frames.
 */
#include "test/unit/unwind_truth.h"

#include <stdatomic.h>

static volatile int samples;
static volatile int differences;
static struct list first_fast[4], first_slow[4];

static void on_timer(int sig, siginfo_t *si, void *uc)
{
    (void)sig, (void)si;
    static struct list fast, slow;
    struct regs r;
    regs_from_context(&r, uc);
    fast_walk(&r, &bounds, &fast);
    slow_walk(&r, &bounds, &slow);
    samples++;
    if (!same(&fast, &slow)) {
        if (differences < (int)ARRAY_LEN(first_fast)) {
            first_fast[differences] = fast;
            first_slow[differences] = slow;
        }
        differences++;
    }
}

static int compare_ints(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static NOINLINE void work(unsigned seed)
{
    static void *live[64];
    char text[200];
    int v[100];
    for (int i = 0; i < 64; i++) {
        free(live[i]);
        live[i] = malloc((seed = seed * 1103515245 + 12345) >> 16 & 0x7ff);
    }
    for (int i = 0; i < 100; i++) {
        v[i] = (int)(seed = seed * 1103515245 + 12345);
    }
    qsort(v, 100, sizeof v[0], compare_ints);
    snprintf(text, sizeof text, "%d %g %s %p", v[0], v[1] * 0.1, "abc", (void *)live[3]);
}

static void test_random_instants(void **state)
{
    (void)state;
    enum { WANTED = 20000 };
    samples = differences = 0;
    timer_t t = start_timer(SIGALRM, on_timer, 0, 61 * 1000);
    for (unsigned i = 0; samples < WANTED; i++) {
        work(i);
    }
    timer_delete(t);
    print_message("random instants: %d samples, %d differ from the slow walk (%.4f %% equal)\n",
                  samples, differences, 100.0 * (samples - differences) / samples);
    for (int i = 0; i < differences && i < (int)ARRAY_LEN(first_fast); i++) {
        print_list("fast", &first_fast[i]);
        print_list("slow", &first_slow[i]);
    }
    assert_true(differences * 1000 <= samples);
}

static void *small_thread(void *arg)
{
    find_bounds();
    rules_forget(); /* so that libunwind runs here, on a stack of 16 KiB */
    struct regs r;
    regs_capture(&r);
    fast_walk(&r, &bounds, arg);
    return NULL;
}

static void test_small_thread(void **state)
{
    (void)state;
    static struct list l;
    pthread_attr_t attr;
    pthread_t t;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, 16384), 0);
    assert_int_equal(pthread_create(&t, &attr, small_thread, &l), 0);
    pthread_join(t, NULL);
    pthread_attr_destroy(&attr);
    assert_int_equal(l.n, 3); /* small_thread, start_thread, clone3 */
    assert_true(l.pc[2] != PSEUDO_TRUNCATED);
}

/* A thread without a thread block: what libunwind and libc keep there must be lent to it. */
static struct list foreign_list;
static uint32_t foreign_tid;
static void foreign_main(void *arg)
{
    (void)arg;
    struct regs r;
    struct stack_bounds none = {.foreign = true};
    regs_capture(&r);
    rules_forget();
    foreign_list.n = unwind(&r, &none, foreign_list.pc, MAX);
    sys_call1(SYS_exit, 0);
}

static void test_foreign_thread(void **state)
{
    (void)state;
    char *stack = sys_map(65536);
    foreign_list.n = 0;
    int pid = sys_clone_process(foreign_main, NULL, stack + 65536, 0, &foreign_tid);
    assert_true(pid > 0);
    int status = -1;
    while (sys_call4(SYS_wait4, pid, &status, 0x80000000 /* __WCLONE */, NULL) == -4) {
    }
    assert_int_equal(status, 0);
    assert_true(foreign_list.n >= 2);
    sys_unmap(stack, 65536);
}

/* While another thread has the rules lock, and loses its processor, and a library is closed: the
 * frames of our own code, and with them the program's first, are there still. */
static atomic_int holds, may_go;
static bool load_late(void *arg, uintptr_t addr, uintptr_t *word)
{
    (void)arg, (void)addr, (void)word;
    holds = 1;
    while (!may_go) {
        usleep(1000);
    }
    return false;
}

static void *hold_rules(void *arg)
{
    struct regs in;
    struct regs out;
    bool signal_frame;
    struct stack_memory memory = {load_late, NULL};
    regs_capture(&in);
    rules_step(&in, &out, &memory, false, &signal_frame);
    return arg;
}

static void test_lock_held(void **state)
{
    (void)state;
    static struct list before;
    static struct list meanwhile;
    pthread_t t;
    struct regs r;
    regs_capture(&r);
    fast_walk(&r, &bounds, &before);
    assert_int_equal(pthread_create(&t, NULL, hold_rules, NULL), 0);
    while (!holds) {
        usleep(1000);
    }
    rules_forget();
    fast_walk(&r, &bounds, &meanwhile);
    may_go = 1;
    pthread_join(t, NULL);
    assert_in_range(meanwhile.n, 2, before.n);
    assert_int_equal(meanwhile.pc[0], before.pc[0]);
    assert_int_equal(meanwhile.pc[meanwhile.n - 1], PSEUDO_TRUNCATED);
    assert_memory_equal(meanwhile.pc, before.pc, (size_t)(meanwhile.n - 1) * sizeof(uintptr_t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_instants),
        cmocka_unit_test(test_small_thread),
        cmocka_unit_test(test_foreign_thread),
        cmocka_unit_test(test_lock_held),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
