/* SPDX-License-Identifier: MIT
 *
 * The ways to take a stack that unwind_bench.c compares, and the stack that they find: a chain of a
 * hundred different functions.
 */
#ifndef TEST_BENCH_UNWIND_WAYS_H
#define TEST_BENCH_UNWIND_WAYS_H

#define UNW_LOCAL_ONLY
#include "collectors/stacks/rules.h"
#include "collectors/stacks/unwind.h"

#include "collectors/base/sys.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <libunwind.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone, noipa))
#define KEEP(x) __asm__ volatile("" : : "r"(x) : "memory")

enum { MAX = 256, FUNCTIONS = 100 };

static struct {
    int (*backtrace)(void **, int);
    int (*getcontext)(unw_context_t *);
    int (*init_local)(unw_cursor_t *, unw_context_t *);
    int (*step)(unw_cursor_t *);
    int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    unw_addr_space_t *local_addr_space;
} lib;

static void open_libunwind(void)
{
    const struct {
        const char *name;
        void *at;
    } symbols[] = {
        {"unw_backtrace", &lib.backtrace},
        {"_Ux86_64_getcontext", &lib.getcontext},
        {"_ULx86_64_init_local", &lib.init_local},
        {"_ULx86_64_step", &lib.step},
        {"_ULx86_64_get_reg", &lib.get_reg},
        {"_ULx86_64_set_caching_policy", &lib.set_caching_policy},
        {"_ULx86_64_local_addr_space", &lib.local_addr_space},
    };
    void *so = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *f = so ? dlsym(so, symbols[i].name) : NULL;
        if (!f) {
            fprintf(stderr, "libunwind.so.8: no %s\n", symbols[i].name);
            exit(1);
        }
        memcpy(symbols[i].at, &f, sizeof f);
    }
}

/* ---- ways to take a stack; each returns the number of its frames ---- */

static __thread uint32_t trail;
static __thread struct stack_bounds bounds;

static void find_bounds(void)
{
    pthread_attr_t attr;
    void *lo;
    size_t bytes;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &lo, &bytes);
    pthread_attr_destroy(&attr);
    bounds = (struct stack_bounds){(uintptr_t)lo, (uintptr_t)lo + bytes, false, &trail};
}

static NOINLINE int by_ours(void)
{
    uintptr_t pcs[MAX];
    struct regs regs;
    regs_capture(&regs);
    int n = unwind(&regs, &bounds, pcs, MAX);
    KEEP(pcs);
    return n;
}

/* Without the trail that the walk before has left. */
static NOINLINE int by_ours_anew(void)
{
    uintptr_t pcs[MAX];
    struct regs regs;
    struct stack_bounds b = bounds;
    b.trail = NULL;
    regs_capture(&regs);
    int n = unwind(&regs, &b, pcs, MAX);
    KEEP(pcs);
    return n;
}

static NOINLINE int by_unw_backtrace(void)
{
    void *pcs[MAX];
    int n = lib.backtrace(pcs, MAX);
    KEEP(pcs);
    return n;
}

static NOINLINE int by_backtrace(void)
{
    void *pcs[MAX];
    int n = backtrace(pcs, MAX);
    KEEP(pcs);
    return n;
}

static NOINLINE int by_unw_step(void)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unw_word_t pc;
    int n = 0;
    lib.getcontext(&context);
    lib.init_local(&cursor, &context);
    do {
        lib.get_reg(&cursor, UNW_REG_IP, &pc);
        KEEP(pc);
        n++;
    } while (lib.step(&cursor) > 0);
    return n;
}

static bool load_mapped(void *arg, uintptr_t addr, uintptr_t *word)
{
    (void)arg;
    memcpy(word, (const void *)addr, sizeof *word); /* NOLINT: our own stack */
    return true;
}

static NOINLINE int by_rules_step(void)
{
    static const struct stack_memory mem = {load_mapped, NULL};
    struct regs at, next;
    bool signal_frame;
    int n = 1;
    regs_capture(&at);
    while (rules_step(&at, &next, &mem, false, &signal_frame) == 1) {
        at = next;
        n++;
    }
    return n;
}

/* ---- a stack of many functions ---- */

static void (*at_the_leaf)(void);
static int (*const chain[FUNCTIONS])(int);

/* Frames of different sizes with different registers saved; a third of them keep values in rbp and
 * all other registers that a function must save. The calls are at different places in the
 * functions, as in other programs. */
#define FUNCTION(n)                                                                                \
    static NOINLINE int f##n(int depth)                                                            \
    {                                                                                              \
        volatile char room[8 + (n)*8 % 120];                                                       \
        int a = depth + 1, b = depth + 2, c = depth + 3, d = depth + 4, e = depth + 5;             \
        if ((n) % 3 == 0)                                                                          \
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));                    \
        __asm__ volatile(".skip %c0, 0x90" : : "i"(1 + (n)*37 % 61));                              \
        room[0] = (n);                                                                             \
        if (depth > 1)                                                                             \
            a += chain[((n) + 1) % FUNCTIONS](depth - 1);                                          \
        else                                                                                       \
            at_the_leaf();                                                                         \
        return a + room[0] + ((n) % 3 ? (n) % 2 * depth : b ^ c ^ d ^ e);                          \
    }
#define TEN(m, n) m(n##0) m(n##1) m(n##2) m(n##3) m(n##4) m(n##5) m(n##6) m(n##7) m(n##8) m(n##9)
#define HUNDRED(m)                                                                                 \
    m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) TEN(m, 1) TEN(m, 2) TEN(m, 3) TEN(m, 4)      \
        TEN(m, 5) TEN(m, 6) TEN(m, 7) TEN(m, 8) TEN(m, 9)
HUNDRED(FUNCTION)
#define NAME(n) f##n,
static int (*const chain[FUNCTIONS])(int) = {HUNDRED(NAME)};

/* fn() with so many frames above it. */
static void at_depth(int depth, void (*fn)(void))
{
    at_the_leaf = fn;
    KEEP(chain[0](depth));
}

#endif
