/* SPDX-License-Identifier: MIT
 *
 * See scribe.h. The protocol is one word, `state`: in the upper bits the number of requests that
 * were ever made, in the lowest two the phase (IDLE, STARTING, ALIVE), between them the bit LEAVE.
 *
 * A request adds one to the number. If no scribe is at work, the same compare-and-swap sets the
 * phase to STARTING; the thread that did so claims a helper, sets ALIVE and makes the processes.
 * The scribe writes a dump as long as `written`, the number of the last request that was served, is
 * not the number in `state`. It leaves by a compare-and-swap of the word it has seen for the same
 * with IDLE, which fails if a request has come in between. LEAVE tells a scribe that stays by the
 * clock to leave likewise. If a scribe is killed, ALIVE remains, but the kernel clears its tid
 * (helper_process_lives()): then the next request makes another.
 *
 * Two helpers take turns, because a scribe still runs on its own stack after it has set IDLE.
 */
#include "preload/output/scribe.h"

#include "collectors/base/sys.h"
#include "collectors/tables/recorded.h"
#include "collectors/threads/procfs.h"
#include "preload/config.h"
#include "preload/output/credentials.h"
#include "preload/output/dump.h"
#include "preload/output/helper_process.h"
#include "preload/output/symbolizer.h"

#include <signal.h>
#include <sys/stat.h>

enum {
    IDLE = 0,
    STARTING = 1,
    ALIVE = 2,
    PHASE = 3, /* mask */
    LEAVE = 4, /* a bit: no scribe is to stay */
    REQUEST = 8,
    NUMBERS = UINT32_MAX / REQUEST, /* mask */
    BACKLOG = 256, /* if more requests than this wait, one dump serves all of them */
};

static struct helper helpers[2];
static uint32_t state;
static bool recorded_only;    /* only_if_recorded of scribe_reside() */
static int64_t due;           /* CLOCK_MONOTONIC of the next dump by interval */
static uint32_t written;      /* number of the last request that was served */
static uint32_t turn;         /* counts the scribes that were made: which helper is next */
static uint32_t serving_here; /* threads of the program that do the scribe's work */

/* ---- a scribe that stays ---- */

/* Does that thread run in this memory? True also where the kernel does not say. */
static bool shares_memory(int tid)
{
    enum { KCMP_VM_ = 1 };
    return sys_call5(SYS_kcmp, sys_getpid(), tid, KCMP_VM_, 0, 0) <= 0;
}

static void look_at_thread(int tid, void *there)
{
    *(bool *)there |= shares_memory(tid);
}

/* Does the program that made this scribe still run, in this memory? It may have ended, or become
 * another program by an exec that went past our hooks, which has a memory of its own. A first
 * thread that has ended by pthread_exit() has none any more: then the others are looked at. */
static bool program_is_there(const struct helper *h)
{
    bool there = !LOAD(&h->program_gone);
    if (there && !shares_memory(config.pid)) {
        there = false;
        procfs_threads(config.pid, look_at_thread, &there);
    }
    return there;
}

static void interval_begins(void)
{
    STORE(&due, sys_clock_ns(CLOCK_MONOTONIC) + config.interval * NSEC_PER_SEC);
}

/* Sleeps until a request comes or a dump is due, which it then requests itself. False: the scribe
 * is to leave. seen: the word in which it has found nothing to do. */
static bool stay(const struct helper *h, uint32_t seen)
{
    /* Seconds after which it looks again whether the program is there: the signal that tells of its
     * end is lost if it comes just before the sleep begins. */
    enum { LOOK_AFTER = 10 };
    if (seen & LEAVE || !program_is_there(h)) {
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

/* Serves requests until there are none. symbolize: and runs the symboliser, until all files have
 * their names. resident: its helper, if it is to stay, else NULL. */
static void serve(bool symbolize, const struct helper *resident)
{
    int64_t pause_ns = 1000000; /* between two looks at a running symboliser: 1 to 16 ms */
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
            if (resident && stay(resident, now)) {
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

static void scribe_main(void *helper, bool kept)
{
    sys_wake_by(SIGURG);
    serve(true, kept && config.interval ? helper : NULL);
}

/* ---- the program's side ---- */

/* Called with all signals blocked and phase STARTING. True: there is a scribe, and the phase is
 * ALIVE. The phase is set here and not by the scribe, which may be killed before its first
 * instruction; its cleared tid tells of that. False: the phase is STARTING still. */
static bool start_scribe(void)
{
    struct helper *h = &helpers[ADD(&turn, 1) % 2];
    for (int i = 0; i < 1000 && !helper_process_collect(h); i++) {
        sys_call0(SYS_sched_yield); /* the one before the last is leaving */
    }
    if (!helper_process_claim(h)) {
        return false;
    }
    h->work = scribe_main;
    h->arg = h;
    h->program = config.interval ? config.pid : 0;
    ADD(&state, ALIVE - STARTING);
    if (helper_process_start(h)) {
        return true;
    }
    ADD(&state, (uint32_t)(STARTING - ALIVE));
    helper_process_drop(h);
    return false;
}

static void serve_here(void *arg)
{
    (void)arg;
    ADD(&serving_here, 1);
    ADD(&state, ALIVE - STARTING);
    serve(false, NULL);
    ADD(&serving_here, (uint32_t)-1);
}

/* Is a scribe at work on the requests, or a thread that makes one or does its work? A thread in
 * phase STARTING has its signals blocked, so it will come to the clone. */
static bool somebody_lives(uint32_t now)
{
    return (now & PHASE) == STARTING ||
           ((now & PHASE) == ALIVE &&
            (helper_process_lives(&helpers[0]) || helper_process_lives(&helpers[1]) ||
             LOAD(&serving_here) != 0));
}

/* No process can be made: the calling thread does the scribe's work, on a stack that is large
 * enough. Called in phase STARTING. */
static void serve_without_process(void)
{
    if (!helper_process_in_place(serve_here, NULL)) {
        STORE(&written, LOAD(&state) / REQUEST);
        ADD(&state, (uint32_t)(IDLE - STARTING));
    }
}

/* Has the program called unshare(CLONE_NEWPID)? Then its next child is the first process of the new
 * pid namespace, which ends with that process, so a scribe must not be it. The link
 * pid_for_children leads nowhere until there is a first process. */
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

/* Adds to the number of requests, and makes a scribe if none is at work. The new number. */
static uint32_t ask(uint32_t requests)
{
    /* Signals are blocked for two reasons. If a handler ended the process between the swap to
     * STARTING and the clone, it would wait for the scribe that its own thread was about to make.
     * And a helper is born with its maker's mask. */
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
    } else if (config.in_place || children_are_elsewhere() || !start_scribe()) {
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
    helper_process_collect(&helpers[0]);
    helper_process_collect(&helpers[1]);
}

void scribe_fork_child(void)
{
    helper_process_fork_child(&helpers[0]);
    helper_process_fork_child(&helpers[1]);
    state = 0;
    written = 0;
    dump_fork_child();
    symbolizer_fork_child();
}
