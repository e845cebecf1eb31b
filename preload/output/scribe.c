/* SPDX-License-Identifier: MIT
 *
 * See scribe.h. The protocol is one word, `state`: in the upper bits the number of requests that
 * were ever made, in the lowest two the phase (IDLE, STARTING, ALIVE), between them the bits LEAVE,
 * FOLLOW and HURRY.
 *
 * A request adds one to the number. If no scribe is at work, the same compare-and-swap sets the
 * phase to STARTING; the thread that did so claims a helper, sets ALIVE and makes the processes.
 * The scribe writes a dump as long as `written`, the number of the last request that was served, is
 * not the number in `state`. It leaves by a compare-and-swap of the word it has seen for the same
 * with IDLE, which fails if a request has come in between. LEAVE tells a scribe that stays by the
 * clock to leave likewise, HURRY any scribe not to wait for the symboliser, FOLLOW one whose
 * symboliser may outlive the program. If a scribe is killed, ALIVE remains, but the kernel clears
 * its tid (helper_process_lives()): then the next request makes another.
 *
 * scribe_withdraw() and scribe_return() stand around a change of what the program may do.
 * `changing` counts the threads between the two. A thread looks at it after its swap to STARTING,
 * and scribe_withdraw() at the state after it has counted: so one of them sees the other.
 *
 * Two helpers take turns, because a scribe still runs on its own stack after it has set IDLE.
 */
#include "preload/output/scribe.h"

#include "collectors/base/hold.h"
#include "collectors/base/sys.h"
#include "collectors/tables/recorded.h"
#include "preload/config.h"
#include "preload/output/adoption.h"
#include "preload/output/credentials.h"
#include "preload/output/dump.h"
#include "preload/output/helper_process.h"
#include "preload/output/predecessor.h"
#include "preload/output/shared_memory.h"
#include "preload/output/symbolizer.h"

#include <signal.h>
#include <sys/prctl.h>

enum {
    IDLE = 0,
    STARTING = 1,
    ALIVE = 2,
    PHASE = 3,   /* mask */
    LEAVE = 4,   /* a bit: the process is about to end, so no scribe is to stay */
    HURRY = 8,   /* a bit: what symboliser runs is left to itself, or ended */
    FOLLOW = 16, /* a bit: so it is if it may be left to itself */
    REQUEST = 32,
    NUMBERS = UINT32_MAX / REQUEST, /* mask */
    BACKLOG = 256, /* if more requests than this wait, one dump serves all of them */
};

static struct helper helpers[2];
static uint32_t state;
static bool recorded_only;     /* only_if_recorded of scribe_reside() */
static int64_t looked;         /* CLOCK_MONOTONIC of the last look at the program's credentials */
static int64_t due;            /* CLOCK_MONOTONIC of the next dump by interval */
static uint32_t written;       /* number of the last request that was served */
static uint32_t turn;          /* counts the scribes that were made: which helper is next */
static uint32_t serving_here;  /* threads of the program that do the scribe's work */
static uint32_t changing;      /* threads between scribe_withdraw() and scribe_return() */
static int64_t changing_since; /* CLOCK_MONOTONIC of the first look at a change; 0 = none yet */

/* ns that a process of ours has for the files at hand before such a change; then it is killed. */
#define PATIENCE (5 * NSEC_PER_SEC)

/* Does a change of what the program may do go on? A thread that has left it by a longjmp, out of a
 * signal handler, does not come to its end: hence the bound. */
static bool is_changing(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (LIKELY(LOAD(&changing) == 0)) {
        return false;
    }
    int64_t now = sys_clock_ns(CLOCK_MONOTONIC);
    int64_t since = 0;
    return CAS(&changing_since, &since, now) || now - since < 4 * PATIENCE;
}

/* ---- a scribe that stays ---- */

/* ns after which it looks again what the program may do, and whether it is there: the signal that
 * tells of its end is lost if it comes just before the sleep begins. */
#define LOOK_AFTER NSEC_PER_SEC

/* Has the program that made this scribe neither ended nor become another one? */
static bool program_is_there(const struct helper *h)
{
    return !LOAD(&h->program_gone) && shared_memory_with(config.pid);
}

static void interval_begins(void)
{
    STORE(&due, sys_clock_ns(CLOCK_MONOTONIC) + config.interval * NSEC_PER_SEC);
}

/* Must the scribe leave before its work is done? It has nothing that the program has not: neither a
 * right that the program gives up, nor the program's root. What no hook sees it looks for itself,
 * once in a second. */
static bool must_leave(void)
{
    int64_t now = sys_clock_ns(CLOCK_MONOTONIC);
    if (LOAD(&changing) != 0) {
        return true;
    }
    if (now - LOAD(&looked) < LOOK_AFTER && now >= LOAD(&looked)) {
        return false;
    }
    STORE(&looked, now);
    return !credentials_are_of(config.pid) && shared_memory_with(config.pid);
}

/* Sleeps until a request comes or a dump is due, which it then requests itself. False: the scribe
 * is to leave. seen: the word in which it has found nothing to do. */
static bool stay(const struct helper *h, uint32_t seen)
{
    if (seen & LEAVE || !program_is_there(h)) {
        return false;
    }
    int64_t left = LOAD(&due) - sys_clock_ns(CLOCK_MONOTONIC);
    if (left > 0) {
        sys_futex_wait(&state, seen, left < LOOK_AFTER ? left : LOOK_AFTER);
        return true;
    }
    interval_begins();
    if (recorded_anything() || !recorded_only) {
        recorded_settle();
        CAS(&state, &seen, seen + REQUEST); /* fails if it is to leave: no dump is begun any more */
    }
    return true;
}

/* How many of the open requests the next dump is to serve. Once the end has begun, the last request
 * is the end's own, and those before it have to do with one dump together: else the process would
 * go on for as long as thousands of them take. */
static uint32_t served_by_next(uint32_t now, uint32_t open)
{
    if (now & LEAVE && open > 1) {
        return open - 1;
    }
    return open > BACKLOG ? open : 1;
}

/* Whether the scribe leaves although files have no names yet. */
static bool leaves(const struct helper *h, uint32_t now)
{
    if (LOAD(&h->program_gone) || now & HURRY || (now & FOLLOW && adoption_collects())) {
        symbolizer_part();
        return true;
    }
    if (must_leave()) {
        symbolizer_put_back();
        return true;
    }
    return false;
}

/* Serves requests until there are none; then has the symboliser run, until all files have their
 * names or there is a reason not to wait for them. h: the helper that does so; NULL in a thread of
 * the program, which runs no symboliser. resident: it is to stay. */
static void serve(const struct helper *h, bool resident)
{
    int64_t pause_ns = 1000000; /* between two looks at a running symboliser: 1 to 16 ms */
    for (;;) {
        uint32_t now = LOAD_ACQUIRE(&state);
        uint32_t open = (now / REQUEST - written) & NUMBERS;
        bool gone = h && LOAD(&h->program_gone);
        if (open != 0 && !gone) {
            dump_write(open, h ? &h->program_gone : NULL);
            STORE_RELEASE(&written, (written + served_by_next(now, open)) & NUMBERS);
            sys_futex_wake(&written);
            continue;
        }
        if (h) {
            predecessor_queue();
        }
        bool at_once = !h || leaves(h, now);
        switch (at_once ? SYMBOLIZER_IDLE : symbolizer_tend()) {
        case SYMBOLIZER_STARTED:
            pause_ns = 1000000;
            continue;
        case SYMBOLIZER_BUSY:
            sys_futex_wait(&state, now, pause_ns);
            pause_ns = pause_ns < 16000000 ? pause_ns * 2 : pause_ns;
            continue;
        case SYMBOLIZER_IDLE:
            if (resident && !at_once && stay(h, now)) {
                continue;
            }
            break;
        }
        if (gone || CAS(&state, &now, (now & ~(uint32_t)PHASE) | IDLE)) {
            sys_futex_wake(&state);
            return;
        }
    }
}

static void scribe_main(void *helper, bool kept)
{
    sys_wake_by(SIGURG);
    sys_call2(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1); /* for symbolizer_put_back() */
    STORE(&looked, sys_clock_ns(CLOCK_MONOTONIC));
    serve(helper, kept && config.interval);
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
    h->dir = config.out[0] == '/' ? "/" : NULL;
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
    serve(NULL, false);
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
    bool again = false;
    do {
        there = somebody_lives(was);
        next = (there ? was : (was & ~(uint32_t)PHASE) | STARTING) + requests * REQUEST;
    } while (!CAS(&state, &was, next));
    if (there) {
        sys_futex_wake(&state);
    } else if (is_changing()) { /* scribe_return() asks for what waits, unless it just has */
        ADD(&state, (uint32_t)(IDLE - STARTING));
        sys_futex_wake(&state);
        again = !is_changing();
    } else if (config.in_place || !start_scribe()) {
        serve_without_process();
    }
    sys_restore_signals(mask);
    if (again) {
        ask(0);
    }
    return next / REQUEST;
}

uint32_t scribe_request(void)
{
    uint32_t request = ask(1);
    if (!config.interval) {
        hold_errand();
    }
    return request;
}

void scribe_reside(bool only_if_recorded)
{
    recorded_only = only_if_recorded;
    __atomic_fetch_and(&state, ~(uint32_t)(LEAVE | HURRY | FOLLOW), __ATOMIC_RELAXED);
    if (config.interval) {
        interval_begins();
        ask(0);
    }
}

static void tell(uint32_t bits)
{
    __atomic_fetch_or(&state, bits, __ATOMIC_RELAXED);
    sys_futex_wake(&state);
}

void scribe_dismiss(enum scribe_names names)
{
    static const uint32_t bits[] = {
        [NAMES_AWAITED] = LEAVE,
        [NAMES_MAY_FOLLOW] = LEAVE | FOLLOW,
        [NAMES_LEFT] = LEAVE | HURRY,
    };
    tell(bits[names]);
}

void scribe_look_for_names(void)
{
    ask(0);
}

void scribe_leave(void)
{
    uint32_t now;
    tell(LEAVE | HURRY);
    while (somebody_lives(now = LOAD_ACQUIRE(&state))) {
        sys_futex_wait(&state, now, NSEC_PER_SEC / 10);
    }
    helper_process_wait(&helpers[0]);
    helper_process_wait(&helpers[1]);
    helper_process_end_all(NSEC_PER_SEC / 10);
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
           (somebody_lives(LOAD(&state)) || is_changing())) {
        int64_t slice = NSEC_PER_SEC / 10;
        sys_futex_wait(&written, now, slice);
        timeout_ns -= slice;
    }
    return (int32_t)(LOAD_ACQUIRE(&written) - request) >= 0;
}

bool scribe_wait_idle(int64_t timeout_ns)
{
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + timeout_ns;
    uint32_t now;
    while (somebody_lives(now = LOAD_ACQUIRE(&state))) {
        int64_t left = until - sys_clock_ns(CLOCK_MONOTONIC);
        if (left <= 0) {
            return false;
        }
        sys_futex_wait(&state, now, left < NSEC_PER_SEC / 10 ? left : NSEC_PER_SEC / 10);
    }
    return true;
}

/* ---- a change of what the program may do ---- */

/* Has a process of this helper to be waited for, or is one about to be made? */
static bool is_beside(const struct helper *h)
{
    return helper_process_lives(h) || LOAD(&h->process) != 0;
}

/* Waits for 10 ms at most. kill: it stands still, for a debugger say. */
static void await_end(struct helper *h, bool kill)
{
    enum { MOST = 10000000 /* ns */ };
    const struct timespec nap = {0, 20000};
    uint32_t tid = LOAD(&h->tid);
    if (tid == 0) { /* the kernel clears it a moment before the end */
        sys_call2(SYS_nanosleep, &nap, NULL);
        return;
    }
    if (kill && LOAD(&h->process) != 0) { /* not yet collected: the id is still its own */
        sys_call2(SYS_kill, LOAD(&h->process), SIGKILL);
    }
    sys_futex_wait(&h->tid, tid, MOST);
}

bool scribe_is_beside(void)
{
    return (LOAD_ACQUIRE(&state) & PHASE) == STARTING || is_beside(&helpers[0]) ||
           is_beside(&helpers[1]);
}

void scribe_withdraw(void)
{
    STORE(&changing_since, 0);
    __atomic_fetch_add(&changing, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    int64_t began = 0;
    for (int64_t waited = 0; scribe_is_beside() && waited < 2 * PATIENCE;) {
        began = began ? began : sys_clock_ns(CLOCK_MONOTONIC);
        sys_futex_wake(&state);
        for (int i = 0; i < 2; i++) {
            if (is_beside(&helpers[i])) {
                await_end(&helpers[i], waited > PATIENCE);
            }
        }
        scribe_reap();
        waited = sys_clock_ns(CLOCK_MONOTONIC) - began;
    }
    helper_process_end_all(PATIENCE); /* those of calls that write, which make no more meanwhile */
}

void scribe_return(void)
{
    if (ADD(&changing, (uint32_t)-1) != 1) {
        return; /* the last of the threads does it */
    }
    bool resides = config.interval && !(LOAD(&state) & LEAVE);
    bool asked = ((LOAD(&state) / REQUEST - LOAD(&written)) & NUMBERS) != 0;
    if (resides || asked || symbolizer_waits()) {
        ask(0);
    }
}

bool scribe_is_changing(void)
{
    return is_changing();
}

void scribe_stay(void)
{
    static int64_t tried; /* CLOCK_MONOTONIC */
    uint32_t now = LOAD(&state);
    if (LIKELY(config.interval == 0) || now & LEAVE || somebody_lives(now) || config.in_place) {
        return;
    }
    int64_t seen = LOAD(&tried);
    int64_t at = sys_clock_ns(CLOCK_MONOTONIC);
    if ((at - seen >= NSEC_PER_SEC || seen == 0) && sys_getpid() == config.pid &&
        CAS(&tried, &seen, at)) {
        ask(0);
    }
}

void scribe_reap(void)
{
    helper_process_collect(&helpers[0]);
    helper_process_collect(&helpers[1]);
}

/* At the end of some wait of the program's. One that stays is no errand: it would be looked for at
 * each wait. */
static void reap_ended(void)
{
    bool lives = helper_process_lives(&helpers[0]) || helper_process_lives(&helpers[1]);
    bool all = false;
    if (!lives && sys_getpid() == config.pid) {
        all = helper_process_collect(&helpers[0]);
        all = helper_process_collect(&helpers[1]) && all;
    }
    if (!all) {
        hold_errand();
    }
}

void scribe_start(void)
{
    hold_start(reap_ended);
}

void scribe_fork_child(void)
{
    helper_process_fork_child(&helpers[0]);
    helper_process_fork_child(&helpers[1]);
    state = 0;
    written = 0;
    changing = 0;
    serving_here = 0; /* by threads of the parent's */
    dump_fork_child();
    predecessor_fork_child();
    symbolizer_fork_child();
}
