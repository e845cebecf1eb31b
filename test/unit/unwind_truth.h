/* SPDX-License-Identifier: MIT
 *
 * What the tests of the stack walk share: the truth (libunwind's slow step with all registers,
 * rules_step, from the same context), lists of frames and their comparison. Included by
 * test_unwind.c, test_unwind_contexts.c and test_unwind_hostile.c, each of which is a program.
 */
#ifndef TEST_UNIT_UNWIND_TRUTH_H
#define TEST_UNIT_UNWIND_TRUTH_H

#include "collectors/snapshot.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/unwind.h"

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

#define UNUSED __attribute__((unused))

enum { MAX = 512 };

struct list {
    uintptr_t pc[MAX];
    int n;
};

static __thread uint32_t trail;
static __thread struct stack_bounds bounds; /* of this thread */
static const struct stack_bounds unknown_bounds UNUSED;

static UNUSED uint64_t random_word(void)
{
    static uint64_t state = 88172645463325252ULL; /* xorshift64 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static UNUSED void find_bounds(void)
{
    pthread_attr_t attr;
    void *lo;
    size_t bytes;
    assert_int_equal(pthread_getattr_np(pthread_self(), &attr), 0);
    assert_int_equal(pthread_attr_getstack(&attr, &lo, &bytes), 0);
    bounds =
        (struct stack_bounds){.lo = (uintptr_t)lo, .hi = (uintptr_t)lo + bytes, .trail = &trail};
    pthread_attr_destroy(&attr);
}

/* ---- The truth ---- */

static UNUSED bool truth_load(void *arg, uintptr_t addr, uintptr_t *word)
{
    const struct stack_bounds *trusted = arg;
    if (addr >= trusted->lo && addr + 8 <= trusted->hi) {
        *word = *(uintptr_t *)addr;
        return true;
    }
    return sys_read_memory(word, addr, sizeof *word) == 0;
}

static UNUSED void slow_walk(const struct regs *from, const struct stack_bounds *b, struct list *l)
{
    bool own = from->sp >= b->lo && from->sp < b->hi;
    struct stack_bounds trusted = {.lo = own ? from->sp : 1, .hi = own ? b->hi : 0};
    struct stack_memory mem = {truth_load, &trusted};
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

static UNUSED void fast_walk(const struct regs *from, const struct stack_bounds *b, struct list *l)
{
    l->n = unwind(from, b, l->pc, MAX);
}

static UNUSED bool same(const struct list *a, const struct list *b)
{
    return a->n == b->n && memcmp(a->pc, b->pc, (size_t)a->n * sizeof a->pc[0]) == 0;
}

static UNUSED void print_list(const char *title, const struct list *l)
{
    print_message("  %s, %d frames:\n", title, l->n);
    for (int i = 0; i < l->n && i < 12; i++) {
        Dl_info info;
        bool named = l->pc[i] > PSEUDO_PC_LIMIT && dladdr((void *)(l->pc[i] - 1), &info);
        print_message("    %lx %s %s\n", (unsigned long)l->pc[i], named ? info.dli_fname : "",
                      named && info.dli_sname ? info.dli_sname : "");
    }
}

static UNUSED timer_t start_timer(int signal, void (*handler)(int, siginfo_t *, void *), int flags,
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

/* ---- Start ---- */

static UNUSED int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static UNUSED int start(void **state)
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

#endif
