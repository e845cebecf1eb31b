/* SPDX-License-Identifier: MIT
 *
 * The stack walk where nothing is as it should be: nonsense for registers and memory, code that no
 * module owns, many threads with signals while everything known is forgotten; and what a walk
 * costs.
 */
#include "test/unit/unwind_truth.h"

#include <stdatomic.h>

/* ---- Nonsense ---- */

/* Code, data, stack, and nothing at all. */
static uintptr_t random_address(uintptr_t lo, size_t bytes)
{
    uint64_t r = random_word();
    switch (r % 8) {
    case 0:
        return r;
    case 1:
        return r >> 40;
    case 2:
        return (uintptr_t)&unknown_bounds + (r >> 50);
    case 3:
        return (uintptr_t)qsort + (r >> 48);
    case 4:
        return (uintptr_t)random_word + (r >> 54);
    case 5:
        return (uintptr_t)printf + (r >> 47);
    default:
        return lo + (r >> 8) % bytes / 8 * 8;
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    enum { BYTES = 1 << 16, ROUNDS = 100000 };
    char *memory = sys_map(3 * BYTES);
    assert_int_equal(mprotect(memory, BYTES, PROT_NONE), 0);
    assert_int_equal(mprotect(memory + 2 * BYTES, BYTES, PROT_NONE), 0);
    uintptr_t lo = (uintptr_t)memory + BYTES;
    struct stack_bounds b = {.lo = lo, .hi = lo + BYTES};
    struct list l;
    int64_t worst = 0;
    int truncated = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 64 == 0) {
            for (size_t k = 0; k < BYTES / 8; k++) {
                ((uintptr_t *)lo)[k] = random_address(lo, BYTES);
            }
        }
        struct regs r = {.pc = random_address(lo, BYTES), .sp = random_address(lo, BYTES)};
        uintptr_t *saved[] = {&r.bp,       &r.saved[0], &r.saved[1],
                              &r.saved[2], &r.saved[3], &r.saved[4]};
        for (size_t k = 0; k < ARRAY_LEN(saved); k++) {
            *saved[k] = random_address(lo, BYTES);
        }
        r.lost = (uint32_t)random_word() & (uint32_t)random_word() & 63;
        int max = 1 + (int)(random_word() % 100);
        int64_t t = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        l.n = unwind(&r, i % 2 ? &b : &unknown_bounds, l.pc, max);
        t = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID) - t;
        worst = t > worst ? t : worst;
        assert_in_range(l.n, 1, max);
        truncated += l.pc[l.n - 1] == PSEUDO_TRUNCATED;
        for (int k = 0; k + 1 < l.n; k++) {
            assert_true(l.pc[k] >= PSEUDO_PC_LIMIT);
        }
    }
    print_message("nonsense: %d walks, %d truncated, longest %.0f us of CPU\n", ROUNDS, truncated,
                  (double)worst / 1000);
    assert_true(worst < 100 * 1000 * 1000);
    sys_unmap(memory, 3 * BYTES);
}

static void test_named_nonsense(void **state)
{
    (void)state;
    struct regs r;
    struct list l;
    regs_capture(&r);
    struct regs no_stack = r;
    no_stack.sp = 8;
    no_stack.bp = 16;
    fast_walk(&no_stack, &unknown_bounds, &l);
    assert_int_equal(l.pc[l.n - 1], PSEUDO_TRUNCATED);
    struct regs no_code = r;
    no_code.pc = 0x123456789;
    fast_walk(&no_code, &bounds, &l);
    assert_int_equal(l.n, 2); /* the interrupted pc is kept, wherever it is */
    assert_int_equal(l.pc[0], 0x123456789);
    assert_int_equal(l.pc[1], PSEUDO_TRUNCATED);
    no_code.pc = 1; /* a call through a null pointer */
    fast_walk(&no_code, &bounds, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.pc[0], PSEUDO_TRUNCATED);
    assert_int_equal(unwind(&r, &bounds, l.pc, 1), 1); /* cut, not lost */
    assert_int_equal(l.pc[0], r.pc);
    assert_int_equal(unwind(&r, &bounds, l.pc, 0), 0);
}

/* Code made at run time: kept as a frame, because a call precedes it, and the end of the walk. */
static void test_jit(void **state)
{
    (void)state;
    static const uint8_t code[] = {0x48, 0x83, 0xec, 0x08, /* sub $8, %rsp */
                                   0xff, 0xd7,             /* call *%rdi */
                                   0x48, 0x83, 0xc4, 0x08, /* add $8, %rsp */
                                   0xc3};
    char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    char *function = page + 64;
    memcpy(function, code, sizeof code);
    struct regs r;
    struct list l;
    uintptr_t fake[8] = {(uintptr_t)function + 6};
    regs_capture(&r);
    r.pc = (uintptr_t)qsort + 1; /* at a function's entry the return address is on top */
    r.sp = (uintptr_t)fake;
    fast_walk(&r, &bounds, &l);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.pc[1], fake[0]);
    assert_int_equal(l.pc[2], PSEUDO_TRUNCATED);
    fake[0] = (uintptr_t)function + 4; /* no call before it */
    fast_walk(&r, &bounds, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.pc[1], PSEUDO_TRUNCATED);
    munmap(page, 4096);
}

/* ---- Threads ---- */

/* ---- code made at run time that keeps frame pointers, at each of its instructions ---- */

static uintptr_t jit_page;
static struct list jit_callers; /* of the function that calls into it, that one first */
static int jit_steps, jit_wrong, jit_calls;

static void check_jit(const struct regs *r, int below)
{
    struct list l;
    fast_walk(r, &bounds, &l);
    int above = below + 2; /* a frame of the code, and its caller's, which has moved on */
    bool right =
        l.n - above == jit_callers.n - 1 &&
        memcmp(&l.pc[above], &jit_callers.pc[1], (size_t)(jit_callers.n - 1) * sizeof l.pc[0]) == 0;
    if (!right && jit_wrong++ == 0) {
        print_list("jit", &l);
        print_list("its callers", &jit_callers);
    }
}

static void on_jit_step(int sig, siginfo_t *si, void *context)
{
    (void)sig, (void)si;
    struct regs r;
    regs_from_context(&r, context);
    if (r.pc - 1 - jit_page < 4096) {
        jit_steps++;
        check_jit(&r, 0);
    }
}

static NOINLINE void called_by_jit(void)
{
    struct regs r;
    regs_capture(&r);
    jit_calls++;
    check_jit(&r, 1);
    AFTER_CALL();
}

static NOINLINE void called_while_stepped(void)
{
    AFTER_CALL();
}

#define TRAP_FLAG "0x100"
static NOINLINE WITHOUT_FP void call_jit(void (*code)(void (*)(void)))
{
    struct regs r;
    regs_capture(&r);
    fast_walk(&r, &bounds, &jit_callers);
    __asm__ volatile("pushf; orl $" TRAP_FLAG ", (%%rsp); popf" : : : "memory", "cc");
    code(called_while_stepped);
    __asm__ volatile("pushf; andl $~" TRAP_FLAG ", (%%rsp); popf" : : : "memory", "cc");
    code(called_by_jit);
}

static void test_jit_frames(void **state)
{
    (void)state;
    static const uint8_t code[] = {0x55,                   /* push %rbp */
                                   0x48, 0x89, 0xe5,       /* mov %rsp, %rbp */
                                   0x48, 0x83, 0xec, 0x20, /* sub $32, %rsp */
                                   0xff, 0xd7,             /* call *%rdi */
                                   0xc9,                   /* leave */
                                   0xc3};
    enum { INSTRUCTIONS = 6 };
    struct sigaction sa = {.sa_sigaction = on_jit_step, .sa_flags = SA_SIGINFO};
    struct sigaction before;
    char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    memcpy(page, code, sizeof code);
    jit_page = (uintptr_t)page;
    assert_int_equal(sigaction(SIGTRAP, &sa, &before), 0);
    void (*function)(void (*)(void));
    memcpy(&function, &page, sizeof page);
    for (int i = 0; i < 3; i++) {
        call_jit(function);
    }
    assert_int_equal(sigaction(SIGTRAP, &before, NULL), 0);
    assert_int_equal(jit_steps, 3 * INSTRUCTIONS);
    assert_int_equal(jit_calls, 3);
    assert_int_equal(jit_wrong, 0);
    munmap(page, 4096);
}

static atomic_bool stop;
static int thread_walks, thread_differences, handler_walks;

static void on_storm(int sig, siginfo_t *si, void *uc)
{
    (void)sig, (void)si;
    struct regs r;
    uintptr_t pcs[100];
    regs_from_context(&r, uc);
    unwind(&r, &bounds, pcs, 100);
    ADD(&handler_walks, 1);
}

static NOINLINE void walk_at(int depth)
{
    if (depth > 0) {
        walk_at(depth - 1);
    } else {
        struct regs r;
        uintptr_t a[64];
        uintptr_t b[64];
        regs_capture(&r);
        int n = unwind(&r, &bounds, a, 64);
        int m = unwind(&r, &bounds, b, 64);
        ADD(&thread_walks, 1);
        /* Waiting for the lock is bounded, so a stack may be cut; it may never be another one. */
        int common = (n < m ? n : m) - 1;
        if (common < 1 || memcmp(a, b, (size_t)common * sizeof a[0]) != 0) {
            ADD(&thread_differences, 1);
        }
    }
    AFTER_CALL();
}

static void *storm_thread(void *arg)
{
    find_bounds();
    for (int i = 0; !stop; i++) {
        walk_at(i % 30);
        if (i % 50 == (int)(intptr_t)arg) {
            rules_forget();
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[8];
    timer_t timer = start_timer(SIGALRM, on_storm, 0, 97 * 1000);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, storm_thread, (void *)(intptr_t)i), 0);
    }
    /* Signals end a sleep early, and are to hit the walkers. */
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    for (int i = 0; i < 30; i++) {
        usleep(50 * 1000);
        pid_t pid = fork();
        if (pid == 0) {
            rules_fork_child();
            int before = thread_differences;
            rules_forget();
            walk_at(10);
            _exit(thread_differences != before);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    stop = true;
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], NULL);
    }
    timer_delete(timer);
    print_message("8 threads: %d walks, %d in handlers, %u generations, %d differ\n", thread_walks,
                  handler_walks, rules_generation(), thread_differences);
    assert_int_equal(thread_differences, 0);
}

/* ---- Cost ---- */

static int (*libunwind_backtrace)(void **, int);

static NOINLINE WITHOUT_FP void measure_at(int depth, int frames)
{
    if (depth > 1) {
        measure_at(depth - 1, frames);
        AFTER_CALL();
        return;
    }
    enum { ROUNDS = 20000 };
    uintptr_t pcs[256];
    double ns[3] = {1e9, 1e9, 1e9};
    int n[3] = {0};
    for (int turn = 0; turn < 5; turn++) {
        for (int method = 0; method < 3; method++) {
            int rounds = method == 2 ? ROUNDS / 20 : ROUNDS;
            int64_t t = sys_clock_ns(CLOCK_MONOTONIC);
            for (int i = 0; i < rounds; i++) {
                if (method == 0) {
                    struct regs r;
                    regs_capture(&r);
                    n[0] = unwind(&r, &bounds, pcs, 256);
                } else if (method == 1 && libunwind_backtrace) {
                    n[1] = libunwind_backtrace((void **)pcs, 256);
                } else {
                    n[2] = backtrace((void **)pcs, 256);
                }
            }
            t = sys_clock_ns(CLOCK_MONOTONIC) - t;
            double each = n[method] ? (double)t / rounds / n[method] : 0;
            ns[method] = each < ns[method] ? each : ns[method];
        }
    }
    print_message("%4d frames: %.2f ns a frame; unw_backtrace %.2f; backtrace %.1f\n", n[0], ns[0],
                  ns[1], ns[2]);
    (void)frames;
}

static void test_cost(void **state)
{
    (void)state;
    void *local = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    if (local) {
        libunwind_backtrace = (int (*)(void **, int))(uintptr_t)dlsym(local, "unw_backtrace");
    }
    const int depths[] = {10, 30, 100};
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        measure_at(depths[i] - 8, depths[i]);
    }
    struct regs r;
    uintptr_t pc = (uintptr_t)qsort;
    int64_t t = sys_clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 2000; i++) {
        rules_find(pc + (uintptr_t)i, false);
    }
    t = sys_clock_ns(CLOCK_MONOTONIC) - t;
    regs_capture(&r);
    struct regs out;
    bool signal_frame;
    struct stack_memory mem = {truth_load, &bounds};
    int64_t s = sys_clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 2000; i++) {
        rules_step(&r, &out, &mem, false, &signal_frame);
    }
    s = sys_clock_ns(CLOCK_MONOTONIC) - s;
    print_message("a miss: %.2f us; a slow step: %.2f us\n", (double)t / 2e6, (double)s / 2e6);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonsense), cmocka_unit_test(test_named_nonsense),
        cmocka_unit_test(test_jit),      cmocka_unit_test(test_jit_frames),
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
