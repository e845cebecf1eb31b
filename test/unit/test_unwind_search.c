/* SPDX-License-Identifier: MIT
 *
 * The walk of a stack whose frame pointer is not known, as that of a sleeping thread: from a copy
 * of the stack it must find what the walk with all registers finds, or end in [truncated] on the
 * way; where the code alone tells the frame pointers, it must find all of it. On stacks that are
 * clean, and on stacks full of what earlier calls have left.
 */
#include "collectors/stacks/unwind_search.h"

#include "test/unit/unwind_truth.h"

static struct search_room room;
static char copy[1 << 20];
static volatile int whole, cut;
static bool must_be_whole;
static volatile size_t some = 100;
int main(void);

static NOINLINE WITHOUT_FP void check_here(void)
{
    struct regs r;
    struct list full, found;
    regs_capture(&r);
    fast_walk(&r, &bounds, &full);
    size_t n = bounds.hi - r.sp;
    assert_true(n <= sizeof copy);
    memcpy(copy, (const void *)r.sp, n); /* NOLINT: a stack pointer */
    r.lost = LOST_BP | LOST_ALL_BUT_BP;
    r.bp = 0;
    struct stack_bounds b = {
        .copy = copy, .copy_lo = r.sp, .copy_hi = bounds.hi, .room = &room, .start = facts_main()};
    fast_walk(&r, &b, &found);
    if (same(&found, &full)) {
        whole++;
        return;
    }
    bool prefix = found.n <= full.n && found.pc[found.n - 1] == PSEUDO_TRUNCATED &&
                  memcmp(found.pc, full.pc, (size_t)(found.n - 1) * sizeof found.pc[0]) == 0;
    cut++;
    if (!prefix || must_be_whole) {
        print_list("with the frame pointer", &full);
        print_list("without", &found);
        fail();
    }
}

/* ---- functions with frames of several kinds, each of which goes on along a way ---- */

typedef void function(const char *way);
static void go_on(const char *way);

static NOINLINE WITH_FP void plain(const char *way)
{
    volatile char bytes[40];
    bytes[0] = way[0];
    (void)bytes[0];
    go_on(way);
    AFTER_CALL();
}

static NOINLINE WITHOUT_FP void without(const char *way)
{
    volatile char bytes[72];
    bytes[0] = way[0];
    (void)bytes[0];
    go_on(way);
    AFTER_CALL();
}

static NOINLINE WITH_FP void room_below(const char *way)
{
    volatile char *bytes = alloca(some);
    bytes[0] = 1;
    go_on(way);
    AFTER_CALL();
}

static NOINLINE WITH_FP void aligned(const char *way)
{
    volatile char bytes[64] __attribute__((aligned(64)));
    bytes[0] = way[0];
    (void)bytes[0];
    go_on(way);
    AFTER_CALL();
}

static NOINLINE WITH_FP void cases(const char *way)
{
    volatile int sum = 0;
    switch (way[0]) {
    case 'p':
        sum += 1;
        break;
    case 'w':
        sum += 5;
        break;
    case 'r':
        sum += 7;
        break;
    case 'a':
        sum *= 3;
        break;
    case 'c':
        sum -= 9;
        break;
    default:
        go_on(way);
        return;
    }
    go_on(way);
    AFTER_CALL();
}

static NOINLINE void go_on(const char *way)
{
    static function *const functions[256] = {
        ['w'] = without, ['r'] = room_below, ['a'] = aligned, ['c'] = cases};
    if (way[0] == '\0') {
        check_here();
    } else if (way[0] == 'p') {
        plain(way + 1);
    } else if (way[0] != '-') { /* '-': the way ends without a look */
        functions[(unsigned char)way[0]](way + 1);
    }
    AFTER_CALL();
}

/* ---- the tests ---- */

static void test_main(void **state)
{
    (void)state;
    assert_int_equal(facts_main(), (uintptr_t)main);
}

static void test_by_code(void **state)
{
    (void)state;
    must_be_whole = true;
    go_on("");
    go_on("p");
    go_on("ppwp");
    go_on("wwww");
    go_on("cpc");
    go_on("cwpwcp");
    must_be_whole = false;
}

/* Frames whose place is not told by the code, in all orders of four, after calls that have left the
 * frames of other orders. */
static void test_by_calls(void **state)
{
    (void)state;
    static const char kinds[] = "pwrac";
    enum { KINDS = sizeof kinds - 1, LENGTH = 4 };
    whole = cut = 0;
    for (int i = 0; i < KINDS * KINDS * KINDS * KINDS; i++) {
        char way[LENGTH + 1] = "", noise[2 * LENGTH + 2] = "";
        for (int k = 0, n = i; k < LENGTH; k++, n /= KINDS) {
            way[k] = kinds[n % KINDS];
        }
        for (int k = 0; k < 2 * LENGTH; k++) {
            noise[k] = kinds[random_word() % KINDS];
        }
        noise[2 * LENGTH] = '-';
        some = 16 + random_word() % 600;
        go_on(noise);
        some = 16 + random_word() % 600;
        go_on(way);
    }
    print_message("  %d whole, %d cut\n", whole, cut);
    assert_true(whole > cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main),
        cmocka_unit_test(test_by_code),
        cmocka_unit_test(test_by_calls),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
