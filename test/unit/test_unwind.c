/* SPDX-License-Identifier: MIT
 *
 * The stack walk against two truths: call chains that the test built itself, and libunwind's slow
 * step with all registers (rules_step) from the same context. Prints what it measures; asserts what
 * must hold on every machine.
 */
#include "test/unit/unwind_truth.h"

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
static bool open_end; /* the chain ends where libunwind finds no frame information */
static void NOINLINE check_here(void)
{
    struct regs r;
    struct list slow;
    regs_capture(&r);
    fast_walk(&r, &bounds, &got);
    slow_walk(&r, &bounds, &slow);
    if (open_end) {
        assert_int_equal(slow.pc[slow.n - 1], PSEUDO_TRUNCATED);
        slow.n--;
    }
    if (!same(&got, &slow) || !holds_in_order(&got, &expected)) {
        print_list("fast", &got);
        print_list("slow", &slow);
        print_list("known, outermost first", &expected);
        fail();
    }
    assert_true(got.pc[got.n - 1] != PSEUDO_TRUNCATED);
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

/* ---- Other stacks ---- */

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
    assert_int_equal(got.n, 6); /* ours, three realigned, in_coroutine, __start_context */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recursion),        cmocka_unit_test(test_kinds_of_frame),
        cmocka_unit_test(test_other_registers),  cmocka_unit_test(test_scratch_registers),
        cmocka_unit_test(test_alternate_stack),  cmocka_unit_test(test_coroutine),
        cmocka_unit_test(test_generations_wrap),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
