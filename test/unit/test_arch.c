/* SPDX-License-Identifier: MIT
 *
 * The contract of collectors/base/arch, as far as it can be tested without knowing the processor:
 * what each function promises in arch.h and stubs.h. A new architecture has to pass it.
 */
#include "collectors/base/arch/stubs.h"
#include "collectors/base/sys.h"
#include "collectors/stacks/regs.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { STACK = 64 << 10 };
static char other_stack[STACK] __attribute__((aligned(64)));

static bool is_on_other_stack(const void *p)
{
    return (const char *)p >= other_stack && (const char *)p < other_stack + STACK;
}

/* ---- constants ---- */

static void test_constants(void **state)
{
    (void)state;
    long page = sysconf(_SC_PAGESIZE);
    assert_int_equal(arch_page_bytes(), page);
    assert_int_equal((unsigned long)page % ARCH_PAGE_LEAST, 0);
    assert_true((uintptr_t)&page <= ARCH_ADDRESS_MASK);
    assert_true((uintptr_t)&test_constants < ARCH_CODE_END);
    assert_int_equal(arch_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
    assert_int_equal(arch_syscall(SYS_close, -1, 0, 0, 0, 0, 0), -EBADF);
}

/* ---- instructions ---- */

static void test_swap(void **state)
{
    (void)state;
    int one, two;
    void *word = &one;
    assert_ptr_equal(arch_swap_own(&word, &two), &one);
    assert_ptr_equal(word, &two);
    assert_ptr_equal(arch_swap_own(&word, NULL), &two);
    assert_null(word);
}

static void test_float(void **state)
{
    (void)state;
    volatile double zero = 0;
    uint64_t program = arch_float_enter();
    volatile double quotient = 1 / zero; /* sets the flag of a division by zero */
    arch_float_leave(program);
    assert_true(quotient > 1);
    uint64_t after = arch_float_enter();
    arch_float_leave(after);
    assert_true(after == program); /* whose flag is not set */
}

static void test_counter(void **state)
{
    (void)state;
    uint64_t before = arch_counter();
    usleep(1000);
    assert_true(arch_counter() > before);
    arch_spin_pause();
}

/* ---- stacks, threads ---- */

static void note_place(void *arg)
{
    *(const void **)arg = __builtin_frame_address(0);
}

static void test_call_on_stack(void **state)
{
    (void)state;
    const void *place = NULL;
    arch_call_on_stack(note_place, &place, other_stack + STACK);
    assert_true(is_on_other_stack(place));
}

static __thread volatile int zero_at_first;
static __thread volatile int set_at_first = 7;

struct seen {
    uintptr_t pointer;
    int zero, set;
    bool on_stack;
};

/* In a process of its own, with a thread block of ours. */
static void look_around(void *arg)
{
    struct seen *s = arg;
    s->on_stack = is_on_other_stack(__builtin_frame_address(0));
    s->pointer = arch_thread_pointer() == arch_own_thread_pointer() ? arch_thread_pointer() : 0;
    s->zero = zero_at_first;
    s->set = set_at_first;
    zero_at_first = 9;
    for (;;) {
        sys_call1(SYS_exit, 3);
    }
}

static void test_thread_block(void **state)
{
    (void)state;
    arch_thread_block_measure();
    size_t bytes = arch_thread_block_bytes();
    char *memory = sys_map(bytes);
    struct seen *s = sys_map(sizeof *s);
    assert_non_null(memory);
    assert_int_equal(bytes % ARCH_PAGE_LEAST, 0);
    zero_at_first = 5;
    for (int i = 0; i < 2; i++) { /* the second time in the same memory */
        uint32_t tid = 1;
        int status = 0;
        uintptr_t pointer = arch_thread_block(memory);
        assert_true(pointer > (uintptr_t)memory && pointer < (uintptr_t)memory + bytes);
        int child = arch_clone(CLONE_VM | CLONE_SETTLS | CLONE_CHILD_CLEARTID | SIGCHLD,
                               look_around, s, other_stack + STACK, &tid, pointer);
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 3);
        assert_int_equal(tid, 0);
        assert_true(s->on_stack);
        assert_true(s->pointer == pointer);
        assert_int_equal(s->zero, 0);
        assert_int_equal(s->set, 0); /* nothing is initialised in our blocks */
        assert_int_equal(zero_at_first, 5);
        memset(s, 0xff, sizeof *s);
    }
    sys_unmap(memory, bytes);
    sys_unmap(s, sizeof *s);
}

/* ---- registers ---- */

static struct regs captured, interrupted;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    regs_from_context(&interrupted, context);
    assert_true(interrupted.pc - 1 == arch_context_reg(context, ARCH_UNW_PC));
    assert_true(interrupted.sp == arch_context_reg(context, ARCH_UNW_SP));
    assert_true(interrupted.bp == arch_context_reg(context, ARCH_UNW_BP));
    for (int i = 0; i < ARCH_SAVED; i++) {
        assert_true(interrupted.saved[i] == arch_context_reg(context, arch_saved_numbers[i]));
    }
}

static __attribute__((noinline)) void capture_and_raise(void)
{
    regs_capture(&captured);
    sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), SIGUSR1);
}

static void test_registers(void **state)
{
    (void)state;
    struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
    capture_and_raise();
    /* In one frame, between which only a system call was made. */
    assert_true(captured.sp == interrupted.sp);
    assert_true(captured.bp == interrupted.bp);
    assert_true(interrupted.pc > captured.pc && interrupted.pc - captured.pc < 4096);
    assert_true(captured.lost == 0 && interrupted.lost == 0 && interrupted.context);
}

static void test_context_of_call(void **state)
{
    (void)state;
    static char context[sizeof(ucontext_t)] __attribute__((aligned(64)));
    const uintptr_t arg[6] = {1, 2, 3, 4, 5, 6};
    arch_context_of_call(context, 0x1234, 0x5678, arg);
    assert_int_equal(arch_context_reg(context, ARCH_UNW_PC), 0x1234);
    assert_int_equal(arch_context_reg(context, ARCH_UNW_SP), 0x5678);
    for (uintptr_t a = 1; a <= 6; a++) { /* each in one register, whichever that is */
        int found = 0;
        for (int number = 0; number < ARCH_UNW_REGS; number++) {
            found += arch_context_reg(context, number) == a;
        }
        assert_int_equal(found, 1);
    }
}

/* ---- code ---- */

static uintptr_t returns_to;

static __attribute__((noinline)) void called(void)
{
    returns_to = (uintptr_t)__builtin_return_address(0);
}

static void test_calls(void **state)
{
    (void)state;
    void (*volatile pointer)(void) = called;
    pointer();
    assert_true(arch_ends_with_call((const uint8_t *)returns_to - ARCH_CALL_BYTES));
    called();
    assert_true(arch_ends_with_call((const uint8_t *)returns_to - ARCH_CALL_BYTES));
    uint8_t none[ARCH_CALL_BYTES] = {0};
    assert_false(arch_ends_with_call(none));
    const uint8_t *call = (const uint8_t *)returns_to - ARCH_CALL_BYTES;
    struct arch_call named = arch_call_before(call, (uintptr_t)returns_to);
    assert_true(named.direct && named.target == (uintptr_t)called);
    assert_false(named.slot);
    struct arch_call no_call = arch_call_before(none, (uintptr_t)returns_to);
    assert_false(no_call.direct || no_call.indirect || no_call.slot);
    assert_int_equal(arch_reloc_of(0x7fffffff), ARCH_RELOC_UNKNOWN);
}

/* ---- stubs ---- */

typedef long (*sum_function)(int n, ...);
static struct {
    void *before;
    void (*sum)(void);
} slots;
static int look_ups;

static long sum(int n, ...)
{
    va_list list;
    long all = 0;
    va_start(list, n);
    for (int i = 0; i < n; i++) {
        all = all * 10 + va_arg(list, long);
    }
    va_end(list);
    return all;
}

void look_up_for_test(void);
__attribute__((visibility("hidden"))) void look_up_for_test(void)
{
    look_ups++;
    slots.sum = (void (*)(void))sum;
}

ARCH_STUB(HIDDEN, boot_sum, slots.sum, look_up_for_test)

static void test_stub(void **state)
{
    (void)state;
    slots.sum = boot_sum;
    for (int i = 0; i < 2; i++) {
        sum_function f = (sum_function)slots.sum;
        assert_int_equal(f(9, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L), 123456789);
        assert_int_equal(look_ups, 1);
    }
}

__attribute__((used)) static int no_personality(void)
{
    return 8; /* _URC_CONTINUE_UNWIND */
}

ARCH_CALL_UNWOUND(call_unwound, ".text", no_personality, const char *, long *)

static void note_length(const char *text, long *length)
{
    *length = (long)strlen(text);
}

static void test_unwound(void **state)
{
    (void)state;
    long length = 0;
    call_unwound(note_length, "seven..", &length);
    assert_int_equal(length, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants),     cmocka_unit_test(test_swap),
        cmocka_unit_test(test_float),         cmocka_unit_test(test_counter),
        cmocka_unit_test(test_call_on_stack), cmocka_unit_test(test_thread_block),
        cmocka_unit_test(test_registers),     cmocka_unit_test(test_context_of_call),
        cmocka_unit_test(test_calls),         cmocka_unit_test(test_stub),
        cmocka_unit_test(test_unwound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
