/* SPDX-License-Identifier: MIT
 *
 * Stacks known again by their proof: whatever comes between, the stack is that of a walk; more
 * threads than there are proofs; threads that end with and without a word; a fork.
 */
#include "test/unit/unwind_truth.h"

#include "collectors/stacks/stack_memo.h"
#include "collectors/stacks/unwind_proof.h"

/* All code up to `etext` counts as the library's, and is left out of stacks. So that symbol is
 * defined here, in place of the linker's, where a section of this program's begins. */
#define PROGRAM __attribute__((section("test_program")))
__asm__(".pushsection test_program, \"ax\"\n.globl etext\netext:\n.popsection\n");

enum { OWN = 20 }; /* a depth from which all stacks differ */

static void learn_own_stack(void)
{
    find_bounds();
    self.stack_lo = bounds.lo;
    self.stack_hi = bounds.hi;
}

static int captures, again;

/* A frame of its own, as stack_of_caller() has one. */
static NOINLINE const struct stack *captured_again(struct stack_memo *memo)
{
    const struct stack *s = stack_of_caller_again(memo);
    AFTER_CALL();
    return s;
}

static NOINLINE void capture(struct stack_memo *memo)
{
    const struct stack *walked = stack_of_caller();
    const struct stack *found = captured_again(memo);
    assert_ptr_equal(found, walked);
    ADD(&captures, 1);
    ADD(&again, found == memo->proven);
    AFTER_CALL();
}

/* One stack for each path of so many binary choices, OWN equal frames below all of them. */
static PROGRAM NOINLINE void down(int depth, uint64_t path, struct stack_memo *memo)
{
    if (depth == 0) {
        capture(memo);
    } else if (depth > OWN && path & 1) {
        down(depth - 1, path >> 1, memo);
        __asm__ volatile("nop"); /* or the two calls would be made one */
    } else {
        down(depth - 1, depth > OWN ? path >> 1 : path, memo);
        AFTER_CALL();
    }
    AFTER_CALL();
}

/* So many times from one place. */
static PROGRAM NOINLINE void repeat(int n, uint64_t path, struct stack_memo *memo)
{
    for (int i = 0; i < n; i++) {
        down(OWN + 1, path, memo);
    }
    AFTER_CALL();
}

static void test_changing_stacks(void **state)
{
    (void)state;
    learn_own_stack();
    struct stack_memo memo = {0};
    uint64_t path = 0;
    again = captures = 0;
    for (int i = 0; i < 20000; i++) {
        path = random_word() % 4 ? path : random_word() % 64;
        down(OWN + (int)(path % 7), path, &memo);
    }
    print_message("%d of %d by proof or twice running\n", again, captures);
    assert_true(again > captures / 3 && again < captures);
    stack_memo_drop(&memo);
}

/* The other stacks that come between do not cost the proof. */
static void test_alternating(void **state)
{
    (void)state;
    enum { PROVEN = 2, TOGETHER = 100 };
    struct stack_memo memo = {0};
    const struct stack *proven = NULL;
    for (volatile int n = 0; n < TOGETHER + 2; n = n + 1) { /* volatile: one place, not three */
        int i = n;
        uint64_t path = i < PROVEN ? 1 : i < TOGETHER ? (uint64_t)i & 1 : 0;
        down(OWN + 1, path, &memo);
        if (i == PROVEN - 1) {
            proven = memo.proven;
            assert_non_null(proven);
            assert_true(memo.proof->n > 0);
        } else if (i >= PROVEN && i < TOGETHER) {
            assert_ptr_equal(memo.proven, proven);
        }
    }
    assert_ptr_not_equal(memo.proven, proven);
    stack_memo_drop(&memo);
    assert_null(memo.proof);
}

/* ---- threads ---- */

enum { THREADS = 200 };
static pthread_barrier_t all_have;
static bool silent; /* they end without a word */
static int with_proof, without;

static void *contender(void *arg)
{
    learn_own_stack();
    repeat(2, 0, &self.last_block.stack);
    repeat(2, 0, &self.last_mutex.stack);
    ADD(self.last_block.stack.proof ? &with_proof : &without, 1);
    ADD(self.last_mutex.stack.proof ? &with_proof : &without, 1);
    pthread_barrier_wait(&all_have);
    if (!silent) {
        stack_memo_drop(&self.last_block.stack);
        stack_memo_drop(&self.last_mutex.stack);
    }
    return arg;
}

static void run_threads(int n)
{
    pthread_t thread[THREADS];
    pthread_attr_t attr;
    with_proof = without = 0;
    pthread_barrier_init(&all_have, NULL, (unsigned)n);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for (int i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&thread[i], &attr, contender, NULL), 0);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(thread[i], NULL);
    }
}

static void test_many_threads(void **state)
{
    (void)state;
    enum { FEW = 50, PROOFS = 256 };
    /* All at once: some go without. */
    run_threads(THREADS);
    print_message("%d memos with a proof, %d without\n", with_proof, without);
    assert_int_equal(with_proof, PROOFS);
    /* They have left theirs to others. */
    run_threads(FEW);
    assert_int_equal(with_proof, 2 * FEW);
    /* Who ends silently leaves them to who comes in its place: never to nobody. */
    silent = true;
    for (int i = 0; i < 20; i++) {
        run_threads(FEW);
    }
    assert_true(with_proof > 0);
    silent = false;
}

static void test_fork(void **state)
{
    (void)state;
    repeat(2, 0, &self.last_block.stack);
    struct proof *mine = self.last_block.stack.proof;
    assert_non_null(mine);
    pid_t child = fork();
    if (child == 0) {
        stack_memo_fork_child();
        repeat(1, 0, &self.last_block.stack);
        run_threads(100); /* what silent threads of the parent left is free again */
        _exit(self.last_block.stack.proof == mine && without == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int start_stacks(void **state)
{
    stack_start(128);
    return start(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changing_stacks),
        cmocka_unit_test(test_alternating),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, start_stacks, NULL);
}
