/* SPDX-License-Identifier: MIT
 *
 * The storm's walks: each thread has a timer of 4 kHz whose handler takes a stack, and one of 1 kHz
 * that may interrupt the first in the middle of its walk and takes another. What is known of a
 * stack is checked: its first frame is the interrupted instruction, and on the thread's own stack
 * its last is the one that the thread began with, unless it says that it is truncated.
 *
 * A watchdog, a process of its own, ends a storm in which a thread has stood still for 10 s.
 */
#include "test/unwind/storm.h"

#include "collectors/base/sys.h"
#include "collectors/snapshot.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/unwind.h"
#include "collectors/stacks/unwind_trail.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAMES = 128,
    PLACES = 64,
    STILL_SECONDS = 10,
    OFTEN_NS = 250 * 1000,
    NESTED_NS = 1000 * 1000
};

static bool walking;
static THREAD_LOCAL struct {
    struct stack_bounds bounds;
    uint32_t trail;
    uintptr_t root;
    int inside; /* handlers that are running */
    timer_t timer[2];
    int timers;
} me;

static uint64_t walks, nested, foreign, truncated, wrong_first, wrong_root;
static struct place {
    uintptr_t pc;
    uint64_t count;
} cut_places[PLACES], wrong_places[PLACES];
static uint64_t *progress; /* of each thread; shared with the watchdog */

static void count_place(struct place *places, uintptr_t pc)
{
    for (int i = 0; i < PLACES; i++) {
        uintptr_t seen = LOAD(&places[i].pc);
        if (seen == pc || (seen == 0 && CAS(&places[i].pc, &seen, pc))) {
            ADD(&places[i].count, 1);
            return;
        }
    }
}

static void take(const struct regs *regs, uintptr_t first)
{
    uintptr_t pcs[FRAMES];
    int n = unwind(regs, &me.bounds, pcs, FRAMES);
    bool own = regs->sp >= me.bounds.lo && regs->sp < me.bounds.hi;
    ADD(&walks, 1);
    ADD(&foreign, !own);
    if (n < 1 || (first && pcs[0] != first && pcs[0] != PSEUDO_TRUNCATED)) {
        ADD(&wrong_first, 1);
    } else if (pcs[n - 1] == PSEUDO_TRUNCATED) {
        ADD(&truncated, 1);
        count_place(cut_places, n > 1 ? pcs[n - 2] : first);
    } else if (own && n < FRAMES && me.root && pcs[n - 1] != me.root) {
        ADD(&wrong_root, 1);
        count_place(wrong_places, pcs[0]);
    }
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    int saved = errno;
    struct regs regs;
    regs_from_context(&regs, context);
    ADD(&nested, me.inside > 0);
    me.inside++;
    take(&regs, regs.pc);
    me.inside--;
    errno = saved;
}

/* ---- the threads ---- */

static void start_timer(timer_t *timer, int sig, long ns)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig};
    event._sigev_un._tid = sys_gettid();
    struct itimerspec when = {{0, ns}, {0, ns}};
    if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0 ||
        timer_settime(*timer, 0, &when, NULL) != 0) {
        abort();
    }
}

static __attribute__((noinline)) void know_the_stack(void)
{
    pthread_attr_t attr;
    void *lo;
    size_t bytes;
    uintptr_t pcs[FRAMES];
    struct regs regs;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &lo, &bytes);
    pthread_attr_destroy(&attr);
    me.bounds =
        (struct stack_bounds){.lo = (uintptr_t)lo, .hi = (uintptr_t)lo + bytes, .trail = &me.trail};
    regs_capture(&regs);
    int n = unwind(&regs, &me.bounds, pcs, FRAMES);
    me.root = pcs[n - 1] == PSEUDO_TRUNCATED ? 0 : pcs[n - 1];
}

void storm_thread_begin(bool nested_too)
{
    if (walking) {
        know_the_stack();
        start_timer(&me.timer[0], SIGRTMIN, OFTEN_NS);
        me.timers = 1;
    }
    if (walking && nested_too) {
        start_timer(&me.timer[1], SIGRTMIN + 1, NESTED_NS);
        me.timers = 2;
    }
}

void storm_thread_end(void)
{
    while (me.timers > 0) {
        timer_delete(me.timer[--me.timers]);
    }
}

void storm_progress(int thread)
{
    ADD(&progress[thread], 1);
}

void storm_unloaded(void)
{
    if (walking) {
        rules_forget();
    }
}

/* ---- forks ---- */

static __attribute__((noinline)) void walk_in_child(int depth)
{
    if (depth > 0) {
        walk_in_child(depth - 1);
    } else {
        struct regs regs;
        regs_capture(&regs);
        take(&regs, 0);
    }
    __asm__ volatile("");
}

static __attribute__((noreturn)) void child(void)
{
    uint64_t before = wrong_first + wrong_root;
    if (walking) {
        rules_fork_child();
        trail_fork_child();
        for (int i = 0; i < 20; i++) {
            walk_in_child(i);
            raise(i % 2 ? SIGRTMIN : SIGRTMIN + 1);
        }
    }
    _exit(wrong_first + wrong_root != before);
}

bool storm_fork(void)
{
    uint64_t mask = sys_block_signals();
    pid_t pid = fork();
    sys_restore_signals(mask);
    if (pid == 0) {
        child();
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0;
}

/* ---- start, watch, report ---- */

static void watch(pid_t storm)
{
    uint64_t last[STORM_THREADS] = {0};
    int still[STORM_THREADS] = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == storm) {
        sleep(1);
        for (int i = 0; i < STORM_THREADS; i++) {
            uint64_t now = LOAD(&progress[i]);
            still[i] = now == last[i] && now != 0 ? still[i] + 1 : 0;
            last[i] = now;
            if (still[i] == STILL_SECONDS) {
                fprintf(stderr, "storm: thread %d has stood still for %d s\n", i, STILL_SECONDS);
                kill(storm, SIGABRT);
                _exit(1);
            }
        }
    }
    _exit(0);
}

int storm_start(bool walks_too)
{
    walking = walks_too;
    progress = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        return -errno;
    }
    pid_t storm = getpid();
    if (walking && fork() == 0) {
        watch(storm);
    }
    for (int i = 0; i < 2; i++) {
        struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigaction(SIGRTMIN + i, &sa, NULL);
    }
    return walking ? rules_start(true) : 0;
}

static void print_places(const char *what, const struct place *places)
{
    for (int i = 0; i < PLACES && places[i].pc; i++) {
        Dl_info info;
        bool named = dladdr((void *)(places[i].pc - 1), &info) != 0; /* NOLINT */
        fprintf(stderr, "# %lu %s %lx %s %s\n", places[i].count, what, places[i].pc,
                named ? info.dli_fname : "?", named && info.dli_sname ? info.dli_sname : "?");
    }
}

uint64_t storm_report(void)
{
    printf("\"walks\": %lu, \"nested\": %lu, \"foreign\": %lu, \"truncated\": %lu, "
           "\"wrong_first\": %lu, \"wrong_root\": %lu",
           walks, nested, foreign, truncated, wrong_first, wrong_root);
    print_places("truncated behind", cut_places);
    print_places("wrong, interrupted at", wrong_places);
    return wrong_first;
}
