/* SPDX-License-Identifier: MIT
 *
 * A library to preload into an unmodified program, which compares the stack walk with the truth at
 * random instants: in the same handler, on the same context, unwind() and libunwind's slow steps
 * with all registers (rules_step). Built from the walker's objects, not from the whole library.
 *
 * A thread is sampled by a monotonic timer of its own (the clock of its CPU time is looked at by
 * the kernel once in 4 ms only), set anew at the end of each handler to a delay drawn from 30 to
 * 170 us. A tick at which the thread has not run for a quarter of that is skipped: a program that
 * waits would be sampled in the same system call again and again.
 *
 *   TRUTH_REPORT   file to which a line of JSON is appended, at the last sample or the exit
 *   TRUTH_SAMPLES  how many to take
 *   TRUTH_EXE      only in programs whose file has this name
 *   TRUTH_THREADS  1: threads of pthread_create too
 *   TRUTH_STOP     N: truth_stop() is called with each Nth sample, for truth_gdb.py
 *
 * The handler is SIGNAL_SAFE; samples of several threads are taken one after the other, so that no
 * walk finds the lock of libunwind taken.
 */
#include "collectors/base/lock_wait.h"
#include "collectors/base/sys.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/unwind.h"
#include "test/unwind/truth_books.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 1024,
    DELAY_MIN = 30000, /* ns */
    DELAY_SPAN = 140000,
    SIGNAL = 61,
};

static struct lock lock; /* of the books */
static uint64_t samples_wanted, idle;
static uint64_t stop_every;
static bool every_thread, reported;
static int own_pid;
static char exe_path[4096];
static const char *exe_name;
static char report_path[4096]; /* a copy: redis writes over its environment */

static THREAD_LOCAL struct {
    struct stack_bounds bounds;
    uint32_t trail;
    uint64_t random;
    int timer;
    int64_t delay;
    int64_t cpu; /* of this thread when its timer was set */
} me;

/* With the lock. */
static void report(void)
{
    reported = true;
    truth_report(report_path, exe_name, idle);
}

static void set_timer(void)
{
    me.random ^= me.random << 13;
    me.random ^= me.random >> 7;
    me.random ^= me.random << 17;
    me.delay = DELAY_MIN + (int64_t)(me.random % DELAY_SPAN);
    struct itimerspec when = {{0, 0}, {0, me.delay}};
    me.cpu = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    sys_call4(SYS_timer_settime, me.timer, 0, &when, NULL);
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    if (info->si_code != SI_TIMER || LOAD(&reported)) {
        return;
    }
    if (sys_clock_ns(CLOCK_THREAD_CPUTIME_ID) - me.cpu < me.delay / 4) {
        ADD(&idle, 1);
    } else if (lock_try(&lock, LOCK_CUSTOM)) {
        if (!reported) {
            bool stop = stop_every && truth_taken() % stop_every == stop_every - 1;
            truth_take(context, &me.bounds, stop);
            if (truth_taken() >= samples_wanted) {
                report();
            }
        }
        lock_drop(&lock);
    }
    set_timer();
}

static void sample_this_thread(void)
{
    pthread_attr_t attr;
    void *lo;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) {
        return;
    }
    pthread_attr_getstack(&attr, &lo, &bytes);
    pthread_attr_destroy(&attr);
    me.bounds =
        (struct stack_bounds){.lo = (uintptr_t)lo, .hi = (uintptr_t)lo + bytes, .trail = &me.trail};
    me.random = ((uint64_t)sys_gettid() << 32 ^ (uint64_t)sys_clock_ns(CLOCK_MONOTONIC)) | 1;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL};
    event._sigev_un._tid = sys_gettid();
    if (sys_call3(SYS_timer_create, CLOCK_MONOTONIC, &event, &me.timer) == 0) {
        set_timer();
    }
}

static struct start {
    void *(*fn)(void *);
    void *arg;
} starts[THREADS];

static void *thread_begins(void *start)
{
    struct start s = *(struct start *)start;
    sample_this_thread();
    void *result = s.fn(s.arg);
    sys_call1(SYS_timer_delete, me.timer);
    return result;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    static __typeof(&pthread_create) real;
    static uint32_t used;
    if (!LOAD(&real)) {
        void *next = dlsym(RTLD_NEXT, "pthread_create");
        __typeof(&pthread_create) found;
        memcpy(&found, &next, sizeof found);
        STORE(&real, found);
    }
    if (every_thread && sys_getpid() == own_pid && LOAD(&used) < THREADS) {
        struct start *s = &starts[ADD(&used, 1) % THREADS];
        *s = (struct start){fn, arg};
        return real(thread, attr, thread_begins, s);
    }
    return real(thread, attr, fn, arg);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TRUTH_REPORT");
    const char *only = getenv("TRUTH_EXE");
    long n = sys_call3(SYS_readlink, "/proc/self/exe", exe_path, sizeof exe_path - 1);
    const char *slash = n > 0 ? strrchr(exe_path, '/') : NULL;
    exe_name = slash ? slash + 1 : "?";
    if (!path || strlen(path) >= sizeof report_path || (only && strcmp(only, exe_name) != 0) ||
        rules_start(true) != 0) {
        return;
    }
    strcpy(report_path, path);
    samples_wanted = number("TRUTH_SAMPLES", 1000);
    stop_every = number("TRUTH_STOP", 0);
    every_thread = number("TRUTH_THREADS", 0) != 0;
    own_pid = sys_getpid();
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&sa.sa_mask);
    if (sigaction(SIGNAL, &sa, NULL) == 0) {
        sample_this_thread();
    }
}

__attribute__((destructor)) static void end(void)
{
    if (own_pid == 0 || own_pid != sys_getpid()) {
        return;
    }
    uint64_t mask = sys_block_signals();
    lock_take(&lock, LOCK_CUSTOM);
    if (!reported) {
        report();
    }
    lock_drop(&lock);
    sys_restore_signals(mask);
}
