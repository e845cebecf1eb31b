/* SPDX-License-Identifier: MIT
 *
 * The stack walk against two truths: call chains that the test built itself, and libunwind's slow
 * step with all registers (rules_step) from the same context. Prints what it measures; asserts what
 * must hold on every machine.
 */
#include "collectors/rules.h"
#include "collectors/snapshot.h"
#include "collectors/unwind.h"

#include "collectors/base/sys.h"

#include <alloca.h>
#include <dirent.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define NOINLINE __attribute__((noinline, noclone, noipa))
#define WITH_FP __attribute__((optimize("no-omit-frame-pointer")))
#define WITHOUT_FP __attribute__((optimize("omit-frame-pointer")))
/* Keeps a call from becoming a jump. */
#define AFTER_CALL() __asm__ volatile("" ::: "memory")

enum { MAX = 512 };

struct list {
    uintptr_t pc[MAX];
    int n;
};

static __thread struct stack_bounds bounds; /* of this thread */
static const struct stack_bounds unknown_bounds;

static void find_bounds(void)
{
    pthread_attr_t attr;
    void *lo;
    size_t bytes;
    assert_int_equal(pthread_getattr_np(pthread_self(), &attr), 0);
    assert_int_equal(pthread_attr_getstack(&attr, &lo, &bytes), 0);
    bounds = (struct stack_bounds){(uintptr_t)lo, (uintptr_t)lo + bytes, false};
    pthread_attr_destroy(&attr);
}

/* ---- The truth ---- */

static bool truth_load(void *arg, uintptr_t addr, uintptr_t *word)
{
    const struct stack_bounds *trusted = arg;
    if (addr >= trusted->lo && addr + 8 <= trusted->hi) {
        *word = *(uintptr_t *)addr;
        return true;
    }
    return sys_read_memory(word, addr, sizeof *word) == 0;
}

static void slow_walk(const struct regs *from, const struct stack_bounds *b, struct list *l)
{
    bool own = from->sp >= b->lo && from->sp < b->hi;
    struct stack_bounds trusted = {own ? from->sp : 1, own ? b->hi : 0, false};
    struct rules_memory mem = {truth_load, &trusted};
    struct regs at = *from;
    l->n = 0;
    for (;;) {
        l->pc[l->n++] = at.pc;
        if (l->n == MAX) {
            return;
        }
        struct regs next;
        bool signal_frame;
        int ret = rules_step(&at, &next, &mem, b->foreign, &signal_frame);
        if (ret == 0 || (ret == 1 && next.pc == 0)) {
            return;
        }
        if (ret < 0) {
            l->pc[l->n++] = PSEUDO_TRUNCATED;
            return;
        }
        at = next;
    }
}

static void fast_walk(const struct regs *from, const struct stack_bounds *b, struct list *l)
{
    l->n = unwind(from, b, l->pc, MAX);
}

static bool same(const struct list *a, const struct list *b)
{
    return a->n == b->n && memcmp(a->pc, b->pc, (size_t)a->n * sizeof a->pc[0]) == 0;
}

static void print_list(const char *title, const struct list *l)
{
    print_message("  %s, %d frames:\n", title, l->n);
    for (int i = 0; i < l->n && i < 12; i++) {
        Dl_info info;
        bool named = l->pc[i] > PSEUDO_PC_LIMIT && dladdr((void *)(l->pc[i] - 1), &info);
        print_message("    %lx %s %s\n", (unsigned long)l->pc[i], named ? info.dli_fname : "",
                      named && info.dli_sname ? info.dli_sname : "");
    }
}

/* Return addresses that the test knows to be on the stack, innermost first. */
static struct list expected;
#define EXPECT_RETURN() (expected.pc[expected.n++] = (uintptr_t)__builtin_return_address(0))

static bool holds_in_order(const struct list *l, const struct list *wanted_outermost_first)
{
    int i = 0;
    for (int w = wanted_outermost_first->n - 1; w >= 0; w--) {
        while (i < l->n && l->pc[i] != wanted_outermost_first->pc[w]) {
            i++;
        }
        if (i++ == l->n) {
            return false;
        }
    }
    return true;
}

/* What every innermost function of a chain does. */
static struct list got;
static bool open_end; /* the chain ends in frames that have no frame information */
static void NOINLINE check_here(void)
{
    struct regs r;
    struct list slow;
    regs_capture(&r);
    fast_walk(&r, &bounds, &got);
    slow_walk(&r, &bounds, &slow);
    if (!same(&got, &slow) || !holds_in_order(&got, &expected)) {
        print_list("fast", &got);
        print_list("slow", &slow);
        print_list("known, outermost first", &expected);
        fail();
    }
    assert_int_equal(got.pc[got.n - 1] == PSEUDO_TRUNCATED, open_end);
    struct list probed;
    fast_walk(&r, &unknown_bounds, &probed);
    assert_true(same(&probed, &slow));
}

/* ---- Chains ---- */

static NOINLINE WITH_FP void recurse_fp(int n)
{
    EXPECT_RETURN();
    if (n > 1) {
        recurse_fp(n - 1);
    } else {
        check_here();
    }
    AFTER_CALL();
}

static NOINLINE WITHOUT_FP void recurse(int n)
{
    EXPECT_RETURN();
    if (n > 1) {
        recurse(n - 1);
    } else {
        check_here();
    }
    AFTER_CALL();
}

static NOINLINE void recurse_mixed(int n)
{
    volatile char some[24] = {0};
    some[n % 24] = some[0];
    EXPECT_RETURN();
    if (n > 1 && n % 2) {
        recurse_mixed(n - 1);
    } else if (n > 1) {
        expected.n--;
        recurse_fp(1);
        expected.n--;
        EXPECT_RETURN();
        recurse_mixed(n - 1);
    } else {
        check_here();
    }
    AFTER_CALL();
}

static void test_recursion(void **state)
{
    (void)state;
    for (int depth = 1; depth <= 200; depth++) {
        expected.n = 0;
        recurse_fp(depth);
        int fp_frames = got.n;
        expected.n = 0;
        recurse(depth);
        assert_int_equal(got.n, fp_frames);
        assert_true(got.n > depth + 1);
    }
    expected.n = 0;
    recurse_mixed(30);
}

static NOINLINE int compare_and_check(const void *a, const void *b)
{
    EXPECT_RETURN();
    check_here();
    expected.n--;
    return *(const int *)a - *(const int *)b;
}

static NOINLINE void sort_some(void)
{
    int v[] = {3, 1, 2, 5, 4};
    EXPECT_RETURN();
    qsort(v, ARRAY_LEN(v), sizeof v[0], compare_and_check);
    int key = 4;
    assert_non_null(bsearch(&key, v, ARRAY_LEN(v), sizeof v[0], compare_and_check));
}

static NOINLINE void use_alloca(int n)
{
    EXPECT_RETURN();
    volatile char *p = alloca((size_t)n * 48 + 8);
    p[0] = 1;
    check_here();
    p[0] = 2;
}

static NOINLINE void realigned(int n)
{
    volatile char v[128] __attribute__((aligned(64))) = {0};
    v[n] = v[0];
    EXPECT_RETURN();
    if (n) {
        realigned(n - 1);
    } else {
        check_here();
    }
    v[n] = 2;
}

typedef double vec4 __attribute__((vector_size(32)));
static NOINLINE __attribute__((target("avx"))) void realigned_alloca(int n)
{
    volatile vec4 v = {1, 2, 3, 4};
    volatile char *p = alloca((size_t)n * 40 + 1);
    EXPECT_RETURN();
    p[0] = (char)v[0];
    if (n) {
        realigned_alloca(n - 1);
    } else {
        realigned(3);
    }
    p[0] = 2;
}

static void test_kinds_of_frame(void **state)
{
    (void)state;
    expected.n = 0;
    sort_some();
    for (int i = 0; i < 20; i++) {
        expected.n = 0;
        use_alloca(i * 7);
        expected.n = 0;
        realigned(i);
        if (__builtin_cpu_supports("avx")) {
            expected.n = 0;
            realigned_alloca(i);
        }
    }
}

/* A frame whose CFA only rbx knows, as in ld.so's lazy binding: its callee saves rbx on the stack,
 * so full registers are needed from the start. */
void through_rbx(void (*f)(void));
__asm__(".text\n"
        ".type through_rbx, @function\n"
        "through_rbx:\n"
        ".cfi_startproc\n"
        "push %rbx\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset %rbx, -16\n"
        "mov %rsp, %rbx\n"
        ".cfi_def_cfa_register %rbx\n"
        "and $-64, %rsp\n"
        "call *%rdi\n"
        "mov %rbx, %rsp\n"
        ".cfi_def_cfa_register %rsp\n"
        "pop %rbx\n"
        ".cfi_def_cfa_offset 8\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size through_rbx, .-through_rbx\n");

static NOINLINE void clobber_rbx(void)
{
    EXPECT_RETURN();
    __asm__ volatile("xor %%ebx, %%ebx" ::: "rbx", "r12", "r13", "r14", "r15");
    check_here();
    AFTER_CALL();
}

static NOINLINE void through_rbx_twice(void)
{
    EXPECT_RETURN();
    through_rbx(clobber_rbx);
    AFTER_CALL();
}

static void test_other_registers(void **state)
{
    (void)state;
    expected.n = 0;
    through_rbx(through_rbx_twice);
    assert_int_equal(expected.n, 2);
}

/* Assembly that keeps its return address in a register no call preserves, as vfork does. */
void without_return_address(void);
__asm__(".text\n"
        ".type without_return_address, @function\n"
        "without_return_address:\n"
        ".cfi_startproc\n"
        "pop %rdi\n"
        ".cfi_def_cfa_offset 0\n"
        ".cfi_register %rip, %rdi\n"
        "ud2\n"
        "jmp *%rdi\n"
        ".cfi_endproc\n"
        ".size without_return_address, .-without_return_address\n");

static void on_illegal(int sig, siginfo_t *si, void *uc)
{
    (void)sig, (void)si;
    struct regs r;
    regs_from_context(&r, uc);
    fast_walk(&r, &bounds, &got);
    ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] += 2; /* over the ud2 */
}

static NOINLINE void call_it(void)
{
    EXPECT_RETURN();
    without_return_address();
    AFTER_CALL();
}

static void test_scratch_registers(void **state)
{
    (void)state;
    struct sigaction sa = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    struct sigaction old;
    sigaction(SIGILL, &sa, &old);
    expected.n = 0;
    call_it();
    sigaction(SIGILL, &old, NULL);
    assert_true(holds_in_order(&got, &expected));
    assert_true(got.pc[got.n - 1] != PSEUDO_TRUNCATED);
}

/* ---- Signals ---- */

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

static timer_t start_timer(int signal, void (*handler)(int, siginfo_t *, void *), int flags,
                           long ns)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | flags};
    assert_int_equal(sigaction(signal, &sa, NULL), 0);
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
    timer_t t;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
    struct itimerspec its = {{0, ns}, {0, ns}};
    assert_int_equal(timer_settime(t, 0, &its, NULL), 0);
    return t;
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

static void on_alternate_stack(int sig)
{
    (void)sig;
    check_here();
}

static NOINLINE void raise_it(void)
{
    EXPECT_RETURN();
    raise(SIGUSR1);
    AFTER_CALL();
}

static void test_alternate_stack(void **state)
{
    (void)state;
    static char alternate[65536];
    stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&ss, NULL);
    for (int on_stack = 0; on_stack < 2; on_stack++) {
        struct sigaction sa = {.sa_handler = on_alternate_stack,
                               .sa_flags = on_stack ? SA_ONSTACK : 0};
        sigaction(SIGUSR1, &sa, NULL);
        expected.n = 0;
        raise_it();
    }
    ss.ss_flags = SS_DISABLE;
    sigaltstack(&ss, NULL);
}

/* ---- Other stacks ---- */

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

static ucontext_t main_context, coroutine;
static void in_coroutine(void)
{
    expected.n = 0;
    recurse(5);
    expected.n = 0;
    realigned(2);
    AFTER_CALL();
}

static void test_coroutine(void **state)
{
    (void)state;
    static char stack[64 << 10];
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = sizeof stack;
    coroutine.uc_link = &main_context;
    makecontext(&coroutine, in_coroutine, 0);
    /* What makecontext returns to at the end is not marked as outermost by glibc 2.36. */
    open_end = true;
    got.n = 0;
    swapcontext(&main_context, &coroutine);
    open_end = false;
    assert_int_equal(got.n,
                     7); /* ours, three realigned, in_coroutine, __start_context, [truncated] */
}

/* A thread without a thread block: what libunwind and libc keep there must be lent to it. */
static struct list foreign_list;
static uint32_t foreign_tid;
static void foreign_main(void *arg)
{
    (void)arg;
    struct regs r;
    struct stack_bounds none = {0, 0, true};
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

/* ---- Nonsense ---- */

static uint64_t random_state = 88172645463325252ULL;
static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

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
        return (uintptr_t)&random_state + (r >> 50);
    case 3:
        return (uintptr_t)qsort + (r >> 48);
    case 4:
        return (uintptr_t)check_here + (r >> 54);
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
    struct stack_bounds b = {lo, lo + BYTES, false};
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
        uintptr_t *saved[] = {&r.bp, &r.bx, &r.r12, &r.r13, &r.r14, &r.r15};
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

static volatile bool stop;
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
        rules_fork_prepare();
        pid_t pid = fork();
        rules_fork_done();
        if (pid == 0) {
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

static void test_generations_wrap(void **state)
{
    (void)state;
    size_t allocated = mallinfo2().uordblks;
    for (int i = 0; i < 70000; i++) {
        rules_forget();
        if (i % 1000 == 0) {
            expected.n = 0;
            recurse(3);
        }
    }
    assert_int_equal(mallinfo2().uordblks, allocated); /* and none of it came from malloc */
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
    struct rules_memory mem = {truth_load, &bounds};
    int64_t s = sys_clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 2000; i++) {
        rules_step(&r, &out, &mem, false, &signal_frame);
    }
    s = sys_clock_ns(CLOCK_MONOTONIC) - s;
    print_message("a miss: %.2f us; a slow step: %.2f us\n", (double)t / 2e6, (double)s / 2e6);
}

static int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static int start(void **state)
{
    (void)state;
    int before = open_descriptors();
    find_bounds();
    int64_t t = sys_clock_ns(CLOCK_MONOTONIC);
    int ret = rules_start(true);
    t = sys_clock_ns(CLOCK_MONOTONIC) - t;
    print_message("rules_start: %.0f us\n", (double)t / 1000);
    return ret != 0 || open_descriptors() != before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recursion),
        cmocka_unit_test(test_kinds_of_frame),
        cmocka_unit_test(test_other_registers),
        cmocka_unit_test(test_scratch_registers),
        cmocka_unit_test(test_random_instants),
        cmocka_unit_test(test_alternate_stack),
        cmocka_unit_test(test_small_thread),
        cmocka_unit_test(test_coroutine),
        cmocka_unit_test(test_foreign_thread),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_named_nonsense),
        cmocka_unit_test(test_jit),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_generations_wrap),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
