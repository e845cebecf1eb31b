/* SPDX-License-Identifier: MIT
 *
 * The stack walk by the trail of the thread's last one: whatever the stacks have in common and
 * whatever word of them has changed, the frames are those of a walk without it.
 */
#include "test/unit/unwind_truth.h"

#include "collectors/stacks/unwind_proof.h"
#include "collectors/stacks/unwind_trail.h"

static void plain_walk(const struct regs *r, struct list *l, int max)
{
    struct stack_bounds b = bounds;
    b.trail = NULL;
    l->n = unwind(r, &b, l->pc, max);
}

static int walks;

/* Both ways, from here and cut at a random depth. */
static NOINLINE void compare_walks(bool with_truth)
{
    static struct list got, plain, slow;
    struct regs r;
    regs_capture(&r);
    if (random_word() % 8 == 0) {
        int max = 1 + (int)(random_word() % 60);
        plain_walk(&r, &plain, max);
        got.n = unwind(&r, &bounds, got.pc, max);
        assert_true(same(&got, &plain));
    }
    plain_walk(&r, &plain, MAX);
    fast_walk(&r, &bounds, &got);
    if (!same(&got, &plain)) {
        print_list("by the trail", &got);
        print_list("anew", &plain);
        fail();
    }
    if (with_truth) {
        slow_walk(&r, &bounds, &slow);
        assert_true(same(&got, &slow));
    }
    walks++;
}

/* ---- stacks that change ---- */

static void down(int depth, void (*leaf)(void));

static NOINLINE WITHOUT_FP void with_sp(int depth, void (*leaf)(void))
{
    volatile char room[24];
    room[0] = (char)depth;
    (void)room[0];
    down(depth, leaf);
    AFTER_CALL();
}

static NOINLINE WITH_FP void with_bp(int depth, void (*leaf)(void))
{
    volatile char room[40];
    room[0] = (char)depth;
    (void)room[0];
    down(depth, leaf);
    AFTER_CALL();
}

static NOINLINE void with_alloca(int depth, void (*leaf)(void))
{
    volatile char *room = alloca(16 + random_word() % 128);
    room[0] = (char)depth;
    (void)room[0];
    down(depth, leaf);
    AFTER_CALL();
}

/* rbp holds what it likes, and is saved for the caller. */
static NOINLINE WITHOUT_FP void bp_as_data(int depth, void (*leaf)(void))
{
    uintptr_t data = (uintptr_t)&depth + random_word() % 4096 / 8 * 8;
    __asm__ volatile("" : : "r"(data) : "rbp");
    __asm__ volatile("xor %%rbp, %%rbp" : : : "rbp");
    down(depth, leaf);
    AFTER_CALL();
}

/* An expression, and another register for a frame pointer: no simple rule. */
static NOINLINE void realigned(int depth, void (*leaf)(void))
{
    volatile char room[128] __attribute__((aligned(128)));
    volatile char *more = alloca(16 + random_word() % 64);
    room[0] = more[0] = (char)depth;
    (void)room[0];
    down(depth, leaf);
    AFTER_CALL();
}

static NOINLINE void down(int depth, void (*leaf)(void))
{
    static void (*const kinds[])(int, void (*)(void)) = {with_sp, with_bp, with_alloca, bp_as_data,
                                                         realigned};
    if (depth == 0) {
        leaf();
    } else {
        uint64_t choice = random_word() % 32;
        kinds[choice == 0 ? 4 : choice % 4](depth - 1, leaf);
    }
    AFTER_CALL();
}

static void leaf_compares(void)
{
    compare_walks(true);
}

/* Goes on in random steps from each depth, so that stacks share all, much or little. */
static NOINLINE void wander(int depth, int budget)
{
    for (int i = 0; i < budget; i++) {
        down((int)(random_word() % 6), leaf_compares);
        if (depth > 0 && random_word() % 2) {
            wander(depth - 1, budget / 2);
        }
    }
    AFTER_CALL();
}

static void test_changing_stacks(void **state)
{
    (void)state;
    walks = 0;
    for (int i = 0; i < 100; i++) {
        wander(12, 6);
    }
    print_message("%d walks\n", walks);
    assert_true(walks > 1000);
}

/* ---- a word that changes ---- */

static int changed, noticed, known, held;

static NOINLINE WITH_FP void leaf_changes_words(void)
{
    enum { WORDS = 400 };
    static struct list before, after;
    struct regs r;
    uintptr_t *frame = __builtin_frame_address(0);
    int words = (int)(((uintptr_t *)bounds.hi - frame));
    words = words < WORDS ? words : WORDS;
    for (int i = 0; i < words; i++) {
        compare_walks(false);
        regs_capture(&r);
        plain_walk(&r, &before, MAX);
        static uint32_t number;
        static uintptr_t pcs[MAX];
        struct stack_bounds again = bounds;
        again.trail = &number;
        unwind(&r, &again, pcs, MAX);
        /* Of a stack with a frame that no trail can prove there is no proof. */
        static struct proof proof;
        proof_make(&proof, &r, &again);
        assert_true(proof_holds(&proof, &r, again.hi) == (proof.n > 0));
        known += proof.n > 0;
        uintptr_t was = frame[i];
        uintptr_t values[] = {
            was + 8,
            was - 16,
            frame[random_word() % (uint64_t)words],             /* of another frame */
            (uintptr_t)&frame[random_word() % (uint64_t)words], /* an address on the stack */
            bounds.hi,
            bounds.hi - 8,
            0,
            random_word(),
            before.pc[random_word() % (uint64_t)before.n],
        };
        for (size_t v = 0; v < ARRAY_LEN(values); v++) {
            *(volatile uintptr_t *)&frame[i] = values[v];
            plain_walk(&r, &after, MAX);
            bool holds = proof_holds(&proof, &r, again.hi);
            assert_true(!holds || same(&before, &after));
            compare_walks(false);
            *(volatile uintptr_t *)&frame[i] = was;
            changed++;
            held += holds;
            noticed += !same(&before, &after);
        }
        compare_walks(false);
    }
}

static void test_changed_words(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        down(30, leaf_changes_words);
    }
    print_message(
        "%d changes, %d to another stack; %d stacks known again, %d with a word changed\n", changed,
        noticed, known, held);
    assert_true(noticed > changed / 20 && noticed < changed && known > 100 && held > 100);
}

/* ---- deep ones ---- */

static void test_deep(void **state)
{
    (void)state;
    walks = 0;
    for (int depth = TRAIL_FRAMES / 2 - 20; depth < TRAIL_FRAMES / 2 + 40; depth++) {
        down(depth, leaf_compares);
        down(depth, leaf_compares);
    }
    assert_int_equal(walks, 120);
}

/* ---- walks within walks ---- */

static volatile int handled, differ;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
    (void)sig, (void)si;
    static struct list got, plain;
    struct regs r;
    regs_from_context(&r, uc);
    fast_walk(&r, &bounds, &got);
    plain_walk(&r, &plain, MAX);
    handled++;
    differ += !same(&got, &plain);
}

static void leaf_walks(void)
{
    struct list l;
    struct regs r;
    regs_capture(&r);
    for (int i = 0; i < 50; i++) {
        fast_walk(&r, &bounds, &l);
    }
}

static void test_interrupted_walks(void **state)
{
    (void)state;
    timer_t timer = start_timer(SIGALRM, on_signal, 0, 61 * 1000);
    while (handled < 3000) {
        down((int)(random_word() % 40), leaf_walks);
        down((int)(random_word() % 10), leaf_compares);
    }
    timer_delete(timer);
    assert_int_equal(differ, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changing_stacks),
        cmocka_unit_test(test_changed_words),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_interrupted_walks),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
