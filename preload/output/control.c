/* SPDX-License-Identifier: MIT
 *
 * See control.h. `pid` and `ending` are the whole state: whether there is anything to dump, and
 * which thread makes the last dump.
 */
#include "preload/output/control.h"

#include "collectors/base/hold.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/log.h"
#include "collectors/base/newborn.h"
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/recorded.h"
#include "collectors/threads/allthreads.h"
#include "collectors/threads/threads.h"
#include "preload/config.h"
#include "preload/output/dump.h"
#include "preload/output/place.h"
#include "preload/output/predecessor.h"
#include "preload/output/scribe.h"
#include "preload/output/symbolizer.h"

#include <errno.h>
#include <signal.h>

static int pid;         /* of the process that is profiled; 0: none, or not any more */
static bool stood_down; /* by control_stand_down() */
static bool forked;     /* this process is a forked child */
static uint32_t ending; /* tid of the thread that ends the process or execs, then ENDED; 0 before */
#define ENDED UINT32_MAX

/* The last dump, for a signal that would end the process meanwhile. */
static struct {
    uint32_t known;   /* 1: it is requested, or there is none */
    uint32_t request; /* 0: there is none */
} last;
static void (*look_first)(void); /* given by control_start() */

/* A child of an injected process dumps at its end only if it has recorded something; else each
 * short command of a shell script would leave a set of files. */
static bool only_if_recorded(void)
{
    return config.is_child || forked;
}

void control_start(void (*before_dump)(void))
{
    look_first = before_dump;
    pid = sys_getpid();
    log_process(pid);
    dump_start();
    scribe_start();
    scribe_reside(only_if_recorded());
}

/* Not where the library is to make no system calls. */
static void look_for_birth(void)
{
    if (pid != 0) {
        newborn_look();
    }
}

int control_pid(void)
{
    look_for_birth();
    return pid;
}

/* Is this the process that is profiled? A vfork child shares its memory, with `pid` in it, but has
 * another id. */
static bool is_here(void)
{
    look_for_birth();
    return pid != 0 && sys_getpid() == pid;
}

/* Once the end or an exec has begun, no further dump is. */
static bool may_dump(void)
{
    return is_here() && LOAD(&ending) == 0;
}

/* The calling thread's stack as goroutine shows it: where it was interrupted, if it runs a signal
 * handler (context is the handler's third argument), or where it called the library. */
static const struct stack *own_stack(const void *context)
{
    if (!context) {
        const struct stack *s = stack_of_caller();
        return s ? s : stack_pseudo(PSEUDO_LOST_MEMORY);
    }
    struct thread *t = threads_by_tid(sys_gettid());
    struct stack_bounds bounds = {.foreign = !t || t->foreign};
    if (!bounds.foreign) {
        bounds.lo = t->stack_lo;
        bounds.hi = t->stack_hi;
    }
    struct regs regs;
    regs_from_context(&regs, context);
    const struct stack *s = stack_of_thread(&regs, &bounds);
    return s ? s : stack_pseudo(PSEUDO_LOST_MEMORY);
}

static void look_at_threads(const void *context, bool may_signal)
{
    const struct request *r = dump_request();
    if (request_needs_threads(r)) {
        int how = may_signal ? ALLTHREADS_SIGNAL | ALLTHREADS_SHARE : 0;
        allthreads_offer(request_take_threads(r, 0, how, own_stack(context)));
    }
}

static uint32_t dump_now(const void *context, bool may_signal)
{
    look_first();
    recorded_settle();
    cpu_before_dump(false);
    look_at_threads(context, may_signal);
    scribe_reap();
    return scribe_request();
}

void control_dump(const void *context)
{
    if (may_dump()) {
        dump_now(context, true);
    }
}

int control_dump_wait(void)
{
    if (!may_dump()) {
        return -EPERM;
    }
    return scribe_wait_written(dump_now(NULL, true), INT64_MAX) ? dump_error() : -EIO;
}

bool control_is_park_signal(const siginfo_t *info)
{
    return cpu_is_interrupted(info, &hold_by);
}

/* ---- the end ---- */

/* True for the one thread that ends the process, or execs, first. Another one waits for it: it must
 * not end the process while the first still waits for the dump, and must not exec away from a
 * process of ours. If it is the same thread (a signal handler that calls exit() during exit()),
 * there is nothing to wait for. */
static bool begin_end(void)
{
    uint32_t me = (uint32_t)sys_gettid();
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + (config.exit_wait + 10) * NSEC_PER_SEC;
    while (sys_clock_ns(CLOCK_MONOTONIC) < until) {
        uint32_t other = 0;
        if (CAS(&ending, &other, me)) {
            return true;
        }
        if (other == me || other == ENDED) {
            return false;
        }
        sys_futex_wait(&ending, other, NSEC_PER_SEC / 10);
    }
    return false;
}

static void end_is(uint32_t now)
{
    STORE_RELEASE(&ending, now);
    sys_futex_wake(&ending);
}

/* Requests the last dump. No handler of this thread runs meanwhile: one that ends the process waits
 * for the dump, which this thread would then never request.
 *
 * recorded_anything() is asked before cpu_before_dump(true), which adds the CPU time since each
 * thread's last tick: a child that ends within its first period, with nothing but that fraction to
 * show, leaves no files. */
static void request_last_dump(void)
{
    uint64_t mask = sys_block_signals();
    bool recorded = recorded_anything();
    if (config.at_exit && (recorded || !only_if_recorded())) {
        recorded_settle();
        look_at_threads(NULL, true);
        cpu_interrupt_others(&hold_by);
        cpu_before_dump(true);
        last.request = scribe_request();
    } else if (predecessor_waits()) {
        scribe_look_for_names();
    }
    STORE_RELEASE(&last.known, 1);
    sys_restore_signals(mask);
}

static void last_dump(void)
{
    request_last_dump();
    if (last.request) {
        scribe_wait_written(last.request, INT64_MAX);
    }
}

/* A signal would end the process while another thread, or the one that it has interrupted, makes
 * the last dump: the files become whole first. php-fpm sends QUIT, at which a worker ends, and TERM
 * half a millisecond later. */
static void wait_for_last_dump(void)
{
    enum { AT_MOST_S = 5, NAP = 1000000 /* ns */ };
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + AT_MOST_S * NSEC_PER_SEC;
    while (LOAD_ACQUIRE(&last.known) == 0 && LOAD(&ending) != (uint32_t)sys_gettid() &&
           sys_clock_ns(CLOCK_MONOTONIC) < until) {
        sys_futex_wait(&last.known, 0, NAP);
    }
    if (LOAD_ACQUIRE(&last.known) != 0 && last.request) {
        scribe_wait_written(last.request, AT_MOST_S * NSEC_PER_SEC);
    }
}

/* Signals that may come while the process waits for names without being a reason to end that: those
 * that do nothing by default, or stop the process, and the library's own: the dump signal, and that
 * of the timers, which is one of libc's. */
static uint64_t harmless_signals(void)
{
    static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU};
    uint64_t mask = 1ULL << (LIBC_SIGNAL_CANCEL - 1) | 1ULL << (LIBC_SIGNAL_SETXID - 1);
    mask |= config.signal ? 1ULL << (config.signal - 1) : 0;
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        mask |= 1ULL << (harmless[i] - 1);
    }
    return mask;
}

/* The only thread waits until all files have their names. Without the library the process would
 * have ended by now, so no handler of the program's runs meanwhile, and what comes is not delivered
 * afterwards. A signal that would end the process, or has a handler, ends the wait. */
static void wait_for_names(void)
{
    enum { SLICE = 20000000 }; /* ns: how late such a signal is seen */
    uint64_t mask = sys_block_signals();
    uint64_t of_no_account = mask | harmless_signals();
    uint64_t pending = 0;
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + config.exit_wait * NSEC_PER_SEC;
    while (sys_clock_ns(CLOCK_MONOTONIC) < until) {
        sys_call2(SYS_rt_sigpending, &pending, sizeof pending);
        if (pending & ~of_no_account || scribe_wait_idle(SLICE)) {
            break;
        }
    }
    sys_call2(SYS_rt_sigpending, &pending, sizeof pending);
    sys_restore_signals(mask | pending);
}

/* Names are waited for only where no other thread can run on meanwhile, and where something is
 * there to look at them: what starts the first process may read its files next. What waits for a
 * child is the program itself, which may count the milliseconds (nginx does), or end a process that
 * takes too long (Wine does). */
static enum scribe_names how_names_come(bool may_wait)
{
    if (!may_wait || config.exit_wait == 0 || threads_alive() != 1) {
        return NAMES_LEFT;
    }
    return config.is_first ? NAMES_AWAITED : NAMES_MAY_FOLLOW;
}

/* Makes the last dump, and leaves no process of ours. */
static void end(bool may_wait_for_names)
{
    hold_begin(); /* before all else: a thread that wakes up now uses what has been destroyed */
    enum scribe_names names = how_names_come(may_wait_for_names);
    if (names != NAMES_LEFT) {
        symbolizer_is_awaited();
    }
    scribe_dismiss(names);
    last_dump();
    if (names != NAMES_LEFT) {
        wait_for_names();
    }
    scribe_leave();
}

void control_before_exec(void)
{
    if (pid != 0 && begin_end()) {
        end(false);
    }
}

void control_before_daemon(void)
{
    if (is_here() && begin_end()) {
        end(true);
    }
}

void control_exec_failed(void)
{
    if (pid != 0 && LOAD(&ending) == (uint32_t)sys_gettid()) {
        hold_end(false);
        scribe_reside(only_if_recorded());
        last.known = last.request = 0;
        end_is(0);
    }
}

int control_left_raw(void)
{
    return is_here() && (symbolizer_left_raw() || predecessor_waits()) ? pid : 0;
}

void control_end_by_signal(void)
{
    uint32_t other = 0;
    if (is_here() && CAS(&ending, &other, (uint32_t)sys_gettid())) {
        end(false);
    } else if (is_here() && other != ENDED) {
        wait_for_last_dump();
    }
}

void control_end(void)
{
    if (is_here() && begin_end()) {
        end(true);
        hold_end(true);
        end_is(ENDED);
    }
}

bool control_is_profiled(void)
{
    return pid != 0;
}

bool control_is_here(void)
{
    return stood_down || is_here();
}

void control_stand_down(void)
{
    if (is_here() && LOAD(&ending) == 0) {
        end(false);
        hold_end(false);
    }
    pid = 0;
    stood_down = true;
}

static int64_t changed_at; /* CLOCK_MONOTONIC of the last dump before a change; 0 = none yet */

/* One dump a second serves all changes: else each of a thousand threads that change something at
 * once would wait for one of its own, and a program that tries again and again in vain would leave
 * a set of files each time. The second may be lost where a change is the first to succeed. */
static bool is_first_change(void)
{
    int64_t now = sys_clock_ns(CLOCK_MONOTONIC);
    int64_t seen = LOAD(&changed_at);
    return (seen == 0 || now - seen >= NSEC_PER_SEC) && CAS(&changed_at, &seen, now);
}

bool control_before_change(const struct change *c)
{
    if (c->kind == CHANGE_NONE) {
        return false;
    }
    look_for_birth();
    if ((pid == 0 && !stood_down) || sys_getpid() != config.pid) {
        return false; /* not profiled, or a child that shares the memory */
    }
    bool lasts = c->kind == CHANGE_USER   ? place_before_user(c->user)
                 : c->kind == CHANGE_ROOT ? place_before_root(c->root)
                                          : true;
    /* A process that changes its root is a server and no command of a script: its file is there
     * even if it has recorded nothing yet, as haproxy's worker has not. */
    if (!lasts && config.at_exit && may_dump() &&
        (c->kind == CHANGE_ROOT || recorded_anything() || !only_if_recorded()) &&
        is_first_change()) {
        scribe_wait_written(dump_now(NULL, true), INT64_MAX);
    }
    scribe_withdraw();
    return true;
}

void control_after_change(void)
{
    scribe_return();
}

void control_keep_out(void)
{
    pid = 0;
    stood_down = true;
}

void control_heap_grown(void)
{
    enum { AT_MOST = 100000000 }; /* ns */
    if (may_dump()) {
        scribe_wait_written(dump_now(NULL, config.names_threads), AT_MOST);
    }
}

void control_tick(const void *context)
{
    if (pid == 0 || LOAD(&ending) != 0) {
        return;
    }
    scribe_reap();
    if (scribe_is_due()) {
        control_dump(context);
    } else if (LOAD(&ending) == 0) {
        scribe_stay();
    }
}

void control_fork_child(void)
{
    pid = sys_getpid();
    config.pid = pid;
    config.is_first = false;
    log_process(pid);
    forked = true;
    ending = 0;
    changed_at = 0;
    last.known = last.request = 0;
    hold_fork_child();
    scribe_fork_child();
    if (config.interval) {
        scribe_reside(true);
    }
}
