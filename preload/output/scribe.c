/* SPDX-License-Identifier: MIT
 *
 * See scribe.h. The protocol is one word, `state`: the number of requests ever made, and below it
 * whether there is a scribe (IDLE, STARTING, ALIVE). A request counts up; if there is no scribe, it
 * also swaps in STARTING, claims a tid, sets ALIVE and makes one. The scribe writes a dump whenever
 * the number is not the one it last served, and leaves by swapping the word, unchanged, for the
 * same with IDLE: a request that comes in between makes the swap fail. LEAVE tells one that stays
 * by the clock to do likewise. `written` tells the number last served. A scribe that was killed
 * leaves ALIVE behind but, the kernel sees to that, no tid: the next request replaces it.
 *
 * Two blocks of stack and thread memory take turns, because a scribe still stands on its own when
 * it has given the word back.
 */
#include "preload/output/scribe.h"

#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/tables/recorded.h"
#include "preload/config.h"
#include "preload/output/credentials.h"
#include "preload/output/dump.h"
#include "preload/output/symbolizer.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    STACK_BYTES = 256 << 10,
    KEEPER_BYTES = 16 << 10, /* of it, the upper end */
    ABOVE_BYTES = 16 << 10,  /* libc's struct pthread starts at the thread pointer */
    IDLE = 0,
    STARTING = 1,
    ALIVE = 2,
    PHASE = 3, /* mask */
    LEAVE = 4, /* a bit: none is to stay */
    REQUEST = 8,
    NUMBERS = UINT32_MAX / REQUEST, /* mask */
    TO_BE_BORN = INT32_MAX,         /* for a tid */
    BACKLOG = 256, /* requests that are served one by one; more of them at once are one */
};

static struct block {
    char *memory;   /* stack, thread-local memory, thread block; NULL = not yet mapped */
    uint32_t tid;   /* cleared by the kernel when the scribe is gone */
    int32_t zombie; /* process to be collected; 0 = none */
} blocks[2];

static uint32_t state;
static bool recorded_only; /* see scribe_reside */
static int keeper;         /* process; of the latest scribe */
static bool program_gone;  /* it says so */
static int64_t due;        /* CLOCK_MONOTONIC of the next dump by interval */
static uint32_t written;
static uint32_t turn;
static uint32_t serving_here; /* threads of the program that do the scribe's work */
static size_t below_bytes;    /* thread-local memory that our code and libc's may touch */

void scribe_start(void)
{
    /* Initial-exec variables lie at fixed distances below the thread pointer: ours, and errno for
     * what of libc might set it. */
    uintptr_t top = (uintptr_t)__builtin_thread_pointer();
    uintptr_t low = (uintptr_t)&self < (uintptr_t)&errno ? (uintptr_t)&self : (uintptr_t)&errno;
    below_bytes = (top - low + 2 * PAGE_BYTES) & ~(PAGE_BYTES - 1);
}

/* ---- the scribe's side ---- */

/* Leaves the table of descriptors that it shares for an empty one of its own: nothing is copied,
 * nothing closed, so no file of the program's notices (kernel 5.9; before: a copy, then closed). */
static void drop_descriptors(void)
{
    enum { CLOSE_RANGE_UNSHARE_ = 2 };
    if (sys_call3(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE_) != 0 &&
        sys_call1(SYS_unshare, CLONE_FILES) == 0) {
        for (int fd = 0; fd < 65536; fd++) {
            sys_close(fd);
        }
    }
}

/* ---- the one that stays ---- */

/* Still the memory of the program that made this scribe, and that program alive? It may have become
 * another one by an exec that no hook saw. */
static bool program_is_there(void)
{
    enum { KCMP_VM_ = 1 };
    return !LOAD(&program_gone) &&
           sys_call5(SYS_kcmp, sys_getpid(), config.pid, KCMP_VM_, 0, 0) <= 0;
}

static void interval_begins(void)
{
    STORE(&due, sys_clock_ns(CLOCK_MONOTONIC) + config.interval * NSEC_PER_SEC);
}

/* Sleeps until a request comes or a dump is due, which it then requests itself. False: to leave. */
static bool stay(uint32_t seen)
{
    enum { LOOK_AFTER = 10 }; /* seconds: the signal of the program's death may come too early */
    if (seen & LEAVE || !program_is_there()) {
        return false;
    }
    int64_t left = LOAD(&due) - sys_clock_ns(CLOCK_MONOTONIC);
    if (left > 0) {
        int64_t most = LOOK_AFTER * NSEC_PER_SEC;
        sys_futex_wait(&state, seen, left < most ? left : most);
        return true;
    }
    interval_begins();
    if (recorded_anything() || !recorded_only) {
        recorded_settle();
        ADD(&state, REQUEST);
    }
    return true;
}

/* Serves requests until there are none; resident: and then by the clock. */
static void serve(bool symbolize, bool resident)
{
    int64_t pause_ns = 1000000; /* 1 ms, growing: how often a running symboliser is looked after */
    for (;;) {
        uint32_t now = LOAD_ACQUIRE(&state);
        uint32_t open = (now / REQUEST - written) & NUMBERS;
        if (open != 0) {
            if (resident) {
                credentials_follow(config.pid);
            }
            dump_write(open);
            STORE_RELEASE(&written, (written + (open > BACKLOG ? open : 1)) & NUMBERS);
            sys_futex_wake(&written);
            continue;
        }
        switch (symbolize ? symbolizer_tend() : SYMBOLIZER_IDLE) {
        case SYMBOLIZER_STARTED:
            pause_ns = 1000000;
            continue;
        case SYMBOLIZER_BUSY:
            sys_futex_wait(&state, now, pause_ns);
            pause_ns = pause_ns < 16000000 ? pause_ns * 2 : pause_ns;
            continue;
        case SYMBOLIZER_IDLE:
            if (resident && stay(now)) {
                continue;
            }
            break;
        }
        if (CAS(&state, &now, (now & ~(uint32_t)PHASE) | IDLE)) {
            sys_futex_wake(&state);
            return;
        }
    }
}

static _Noreturn void leave(void)
{
    for (;;) {
        sys_call1(SYS_exit, 0);
    }
}

static void scribe_main(void *arg)
{
    const struct sched_param none = {0};
    struct rlimit files;
    if (arg) { /* it has a keeper, with whom it dies */
        sys_call2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
        if (sys_call0(SYS_getppid) != LOAD(&keeper)) {
            leave();
        }
    }
    sys_call3(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);   /* not with a real-time program's */
    if (sys_call2(SYS_getrlimit, RLIMIT_NOFILE, &files) == 0) { /* its own: it is a process */
        files.rlim_cur = files.rlim_max;
        sys_call2(SYS_setrlimit, RLIMIT_NOFILE, &files);
    }
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-scribe");
    sys_call1(SYS_umask, 077); /* its own: what the program's would take away is needed */
    sys_end_quietly();
    sys_wake_by(SIGURG);
    serve(true, arg && config.interval);
    leave();
}

/* The scribe's parent and the program's child. It ignores the end of its children, so that the
 * scribe's CPU time, and the symboliser's, never come to be the program's (RUSAGE_CHILDREN). */
static void keeper_main(void *scribe_stack)
{
    drop_descriptors();
    sys_end_quietly();
    sys_ignore(SIGCHLD);
    sys_call2(SYS_prctl, PR_SET_NAME, "pprof-scribe");
    STORE(&keeper, sys_getpid());
    STORE(&program_gone, false);
    int scribe = sys_clone_child(scribe_main, &keeper, scribe_stack);
    if (scribe <= 0) {
        scribe_main(NULL);
    }
    if (config.interval) {
        sys_wake_by(SIGURG);
        sys_call2(SYS_prctl, PR_SET_PDEATHSIG, SIGURG);
    }
    do { /* SIGURG: a thread of the program has ended, or all of it */
        if (sys_call0(SYS_getppid) != config.pid) {
            STORE(&program_gone, true);
            sys_call2(SYS_kill, scribe, SIGURG);
        }
    } while (sys_call4(SYS_wait4, scribe, NULL, 0, NULL) == -EINTR);
    leave();
}

/* ---- the program's side ---- */

/* A thread block as libc and the compiler expect it: itself at fs:0 and fs:16, the stack
 * protector's canary at fs:40, the pointer guard at fs:48; zeroes elsewhere. */
uintptr_t scribe_block(char *memory)
{
    char *fs = memory + STACK_BYTES + below_bytes;
    uintptr_t at = (uintptr_t)fs;
    memset(fs - below_bytes, 0, below_bytes + ABOVE_BYTES);
    memcpy(fs, &at, sizeof at);
    memcpy(fs + 16, &at, sizeof at);
    memcpy(fs + 40, &below_bytes, sizeof below_bytes);
    return at;
}

size_t scribe_block_bytes(void)
{
    return STACK_BYTES + below_bytes + ABOVE_BYTES;
}

size_t scribe_stack_bytes(void)
{
    return STACK_BYTES;
}

/* Collects the block's scribe, which is a child that only a wait with __WCLONE sees. False: it has
 * cleared its tid, the kernel says, but is not yet ended. */
static bool collect(struct block *b)
{
    int32_t child = LOAD(&b->zombie);
    if (child == 0) {
        return true;
    }
    if (LOAD(&b->tid) != 0) {
        return false;
    }
    long got = sys_call4(SYS_wait4, child, NULL, (int)(__WCLONE | WNOHANG), NULL);
    if (got != 0) { /* it, or ECHILD: somebody else was faster */
        CAS(&b->zombie, &child, 0);
    }
    return got != 0;
}

/* With all signals blocked, in phase STARTING; if true, in phase ALIVE. The phase is this side's to
 * set: a scribe may be killed before its first instruction, and is then known by its cleared tid.
 */
static bool clone_scribe(void)
{
    struct block *b = &blocks[ADD(&turn, 1) % 2];
    for (int i = 0; i < 1000 && !collect(b); i++) { /* the one before the last is leaving */
        sys_call0(SYS_sched_yield);
    }
    if (LOAD(&b->tid) != 0) {
        return false;
    }
    if (!b->memory) {
        b->memory = sys_map(scribe_block_bytes());
        if (!b->memory) {
            return false;
        }
    }
    STORE(&b->tid, TO_BE_BORN);
    ADD(&state, ALIVE - STARTING);
    int child = sys_clone_process(keeper_main, b->memory + STACK_BYTES - KEEPER_BYTES,
                                  b->memory + STACK_BYTES, scribe_block(b->memory), &b->tid);
    if (child > 0) {
        STORE(&b->zombie, child);
        return true;
    }
    ADD(&state, (uint32_t)(STARTING - ALIVE));
    STORE(&b->tid, 0);
    return false;
}

static void serve_here(void *arg)
{
    (void)arg;
    serve(false, false);
}

/* Is anybody at work on the requests? STARTING is a thread that runs, with its signals blocked,
 * from its swap of the word to the clone. */
static bool somebody_lives(uint32_t now)
{
    return (now & PHASE) == STARTING ||
           ((now & PHASE) == ALIVE &&
            (LOAD(&blocks[0].tid) != 0 || LOAD(&blocks[1].tid) != 0 || LOAD(&serving_here) != 0));
}

/* No process to be had: the same code, here, on a stack that is large enough. In phase STARTING. */
static void serve_without_process(void)
{
    char *stack = sys_map(STACK_BYTES);
    if (!stack) {
        STORE(&written, LOAD(&state) / REQUEST);
        ADD(&state, (uint32_t)(IDLE - STARTING));
        return;
    }
    ADD(&serving_here, 1);
    ADD(&state, ALIVE - STARTING);
    sys_call_on_stack(serve_here, NULL, stack + STACK_BYTES);
    ADD(&serving_here, (uint32_t)-1);
    sys_unmap(stack, STACK_BYTES);
}

/* Is the next child to be the first of a new pid namespace (unshare(CLONE_NEWPID))? Its end would
 * be the end of that namespace. Before the first one the link leads nowhere. */
static bool children_are_elsewhere(void)
{
    static const char next[] = "/proc/thread-self/ns/pid_for_children";
    struct stat of_own, of_next;
    if (sys_call4(SYS_newfstatat, AT_FDCWD, "/proc/thread-self/ns/pid", &of_own, 0) != 0) {
        return false;
    }
    long err = sys_call4(SYS_newfstatat, AT_FDCWD, next, &of_next, 0);
    return err == 0 ? of_own.st_ino != of_next.st_ino
                    : sys_call4(SYS_newfstatat, AT_FDCWD, next, &of_next, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Adds to the number of requests and sees to it that there is somebody to serve them. The number.
 */
static uint32_t ask(uint32_t requests)
{
    /* A handler that ended the process between the swap and the clone would wait for itself; and
     * the scribe is to be born with every signal blocked. */
    uint64_t mask = sys_block_signals();
    uint32_t was = LOAD(&state);
    uint32_t next;
    bool there;
    do {
        there = somebody_lives(was);
        next = (there ? was : (was & ~(uint32_t)PHASE) | STARTING) + requests * REQUEST;
    } while (!CAS(&state, &was, next));
    if (there) {
        sys_futex_wake(&state);
    } else if (config.in_place || children_are_elsewhere() || !clone_scribe()) {
        serve_without_process();
    }
    sys_restore_signals(mask);
    return next / REQUEST;
}

uint32_t scribe_request(void)
{
    return ask(1);
}

void scribe_reside(bool only_if_recorded)
{
    recorded_only = only_if_recorded;
    __atomic_fetch_and(&state, ~(uint32_t)LEAVE, __ATOMIC_RELAXED);
    if (config.interval) {
        interval_begins();
        ask(0);
    }
}

void scribe_dismiss(void)
{
    if (config.interval) {
        __atomic_fetch_or(&state, LEAVE, __ATOMIC_RELAXED);
        sys_futex_wake(&state);
    }
}

bool scribe_is_due(void)
{
    if (LIKELY(config.interval == 0) || somebody_lives(LOAD(&state))) {
        return false;
    }
    int64_t seen = LOAD(&due);
    int64_t now = sys_clock_ns(CLOCK_MONOTONIC);
    return now >= seen && CAS(&due, &seen, now + config.interval * NSEC_PER_SEC);
}

bool scribe_wait_written(uint32_t request, int64_t timeout_ns)
{
    uint32_t now;
    while ((int32_t)((now = LOAD_ACQUIRE(&written)) - request) < 0 && timeout_ns > 0 &&
           somebody_lives(LOAD(&state))) {
        int64_t slice = NSEC_PER_SEC / 10;
        sys_futex_wait(&written, now, slice);
        timeout_ns -= slice;
    }
    return (int32_t)(LOAD_ACQUIRE(&written) - request) >= 0;
}

void scribe_wait_idle(int64_t timeout_ns)
{
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + timeout_ns;
    uint32_t now;
    while (somebody_lives(now = LOAD_ACQUIRE(&state))) {
        int64_t left = until - sys_clock_ns(CLOCK_MONOTONIC);
        if (left <= 0) {
            return;
        }
        sys_futex_wait(&state, now, left < NSEC_PER_SEC / 10 ? left : NSEC_PER_SEC / 10);
    }
    scribe_reap();
}

void scribe_reap(void)
{
    collect(&blocks[0]);
    collect(&blocks[1]);
}

void scribe_fork_child(void)
{
    for (int i = 0; i < 2; i++) {
        blocks[i].tid = 0;
        blocks[i].zombie = 0;
    }
    state = 0;
    written = 0;
    dump_fork_child();
    symbolizer_fork_child();
}
