/* SPDX-License-Identifier: MIT
 *
 * See allthreads.h. Every thread is read (allthreads_read.h); those that run are then asked
 * (allthreads_ask.h), one list at a time, and read again and again until they have answered, for
 * many fall asleep before. A list is memory of its own from the kernel, shared by reference; the
 * work is done on a stack in it.
 */
#include "collectors/threads/allthreads.h"

#include "collectors/base/lock_wait.h"
#include "collectors/stacks/stack.h"
#include "collectors/tables/merge.h"
#include "collectors/threads/allthreads_ask.h"
#include "collectors/threads/allthreads_read.h"
#include "collectors/threads/procfs.h"
#include "collectors/threads/thread_name.h"
#include "collectors/threads/threads.h"

#include <string.h>

enum { OWN_STACK = 64 << 10 }; /* the calling thread may be on an alternate stack of a few KiB */

struct allthreads {
    uint32_t refs;
    size_t bytes; /* the size of this mapping */
    size_t count, cap;
    struct snapshot_thread thread[];
};

/* A list in the making. */
struct taking {
    struct allthreads *made;
    int how, me; /* me: the calling thread's id; 0 = none of the process's */
    const struct stack *caller;
    struct snapshot_thread **asked; /* the threads that run, and are to be asked */
    size_t asks;                    /* how many */
    bool may_ask;
    int64_t now; /* as procfs_last_ran() tells it, ms; -1 = not known, or not wanted */
    struct allthreads_reader read;
    char stack[OWN_STACK] __attribute__((aligned(16)));
};

/* ---- one thread ---- */

static void add_detail(const struct taking *k, struct snapshot_thread *t)
{
    if (t->tid == k->me) {
        procfs_name(k->read.pid, t->tid, t->name);
        t->state = "running";
    } else {
        allthreads_read_detail(&k->read, t, k->now);
    }
}

/* Can an answer be expected? Threads that are stopped, or in uninterruptible sleep, give none, nor
 * do those that block the signal. For a thread of another process (this is the scribe then) no
 * timer can be made: it answers if it has one for the profile cpu. */
static bool may_be_asked(const struct taking *k, int tid)
{
    const struct thread *row = threads_by_tid(tid);
    return k->may_ask && (k->read.pid == 0 || (row && LOAD(&row->state) == THREAD_TIMED)) &&
           procfs_state(k->read.pid, tid) == 'R' &&
           !procfs_blocks(k->read.pid, tid, allthreads_ask_signal());
}

/* Does the thread sleep by now? Then it is read, whether or not its stack can be walked to the end.
 */
static bool sleeps_now(struct taking *k, struct snapshot_thread *t)
{
    return allthreads_read_sleeper(&k->read, t, threads_by_tid(t->tid)) == SLEEPER_READ;
}

/* Takes those out of k->asked that sleep after a short while, as most threads do that were found
 * running, and those from which no answer can be expected. */
static void settle_runners(struct taking *k)
{
    enum { NAP_NS = 200000, ROUNDS = 2 };
    const struct timespec nap = {0, NAP_NS};
    for (int round = 0; k->asks && round < ROUNDS; round++) {
        sys_call2(SYS_nanosleep, &nap, NULL);
        size_t kept = 0;
        for (size_t i = 0; i < k->asks; i++) {
            struct snapshot_thread *t = k->asked[i];
            if (!sleeps_now(k, t) && (round < ROUNDS - 1 || may_be_asked(k, t->tid))) {
                k->asked[kept++] = t;
            }
        }
        k->asks = kept;
    }
}

/* Asks those in k->asked, and reads those that fall asleep instead of answering. */
static void ask_runners(struct taking *k)
{
    enum { AT_MOST_NS = 100000000, FIRST_NS = 2000000, LONGEST_NS = 16000000 };
    const int64_t end = sys_clock_ns(CLOCK_MONOTONIC) + AT_MOST_NS;
    if (!k->asks || !allthreads_ask_open(k->read.pid == 0, k->asked, k->asks)) {
        return;
    }
    int64_t wait = FIRST_NS;
    for (int64_t now; (now = sys_clock_ns(CLOCK_MONOTONIC)) < end;) {
        if (allthreads_ask_wait(now + wait < end ? now + wait : end)) {
            break;
        }
        for (size_t i = 0; i < k->asks; i++) {
            if (allthreads_ask_is_open(i) && sleeps_now(k, k->asked[i])) {
                allthreads_ask_withdraw(i);
            }
        }
        wait = 2 * wait < LONGEST_NS ? 2 * wait : LONGEST_NS;
    }
    allthreads_ask_close(k->asked, k->asks);
}

static void take_thread(int tid, void *arg)
{
    struct taking *k = arg;
    struct allthreads *a = k->made;
    if (a->count == a->cap) {
        return;
    }
    struct thread *row = threads_by_tid(tid);
    struct snapshot_thread *t = &a->thread[a->count];
    *t = (struct snapshot_thread){.tid = tid, .created = row ? row->created : NULL};
    const struct labels *labels = row && !row->foreign ? labels_of_thread(row) : NULL;
    t->labels = labels_keep(row && !row->foreign ? labels : labels_of_process());
    labels_unref(labels);
    if (tid == k->me) {
        t->stack = k->caller;
    } else {
        enum allthreads_sleeper how = allthreads_read_sleeper(&k->read, t, row);
        char state =
            how == SLEEPER_READ || how == SLEEPER_KERNEL ? 'S' : procfs_state(k->read.pid, tid);
        if (how == SLEEPER_KERNEL || state == '\0' || state == 'Z' || state == 'X') {
            return;
        }
        if (how == SLEEPER_RUNS || (how == SLEEPER_UNKNOWN && state == 'R')) {
            k->asked[k->asks++] = t;
        }
    }
    a->count++;
}

/* ---- all of them ---- */

/* Fills in a thread that has not answered: PSEUDO_NO_RESPONSE, called by its start routine, and its
 * name and state as labels. */
static void show_silent(const struct taking *k, struct snapshot_thread *t)
{
    if (t->stack) {
        return;
    }
    struct thread *row = threads_by_tid(t->tid);
    uintptr_t start =
        row ? (uintptr_t)(row->start ? (void *)row->start : (void *)row->start_c11) : 0;
    uintptr_t pcs[2] = {PSEUDO_NO_RESPONSE, start + 1};
    const struct stack *s = stack_keep(pcs, start ? 2 : 1);
    t->stack = s ? s : stack_pseudo(PSEUDO_NO_RESPONSE);
    add_detail(k, t);
    const struct label more[] = {{"state", t->state}, {"thread", t->name[0] ? t->name : "?"}};
    const struct labels *two = labels_new(more, thread_name_on ? 1 : 2); /* else twice */
    const struct labels *both = two ? labels_merged(two, t->labels) : NULL;
    t->labels = both ? labels_keep(both) : t->labels;
    labels_unref(both);
    labels_unref(two);
}

static void take_all(void *arg)
{
    struct taking *k = arg;
    struct allthreads *a = k->made;
    procfs_threads(k->read.pid, take_thread, k);
    settle_runners(k);
    ask_runners(k);
    k->now = k->how & ALLTHREADS_DETAIL ? procfs_last_ran(0, sys_gettid()) : -1;
    for (size_t i = 0; i < a->count; i++) {
        show_silent(k, &a->thread[i]);
        if (k->how & ALLTHREADS_DETAIL) {
            add_detail(k, &a->thread[i]);
        } else if (thread_name_on) {
            procfs_name(k->read.pid, a->thread[i].tid, a->thread[i].name);
        }
    }
}

static struct allthreads *take(int pid, int how, const struct stack *caller, bool may_ask)
{
    int alive = pid ? 1 << 10 : threads_alive();
    size_t cap = (size_t)(alive > 0 ? alive : 1) + 64; /* room for threads that begin meanwhile */
    /* The mapping holds the list, and then k->asked with as many elements. */
    size_t list = sizeof(struct allthreads) + cap * sizeof(struct snapshot_thread);
    size_t bytes = list + cap * sizeof(struct snapshot_thread *);
    struct allthreads *a = sys_map(bytes);
    struct taking *k = a ? sys_map(sizeof *k) : NULL;
    if (!k) {
        sys_unmap(a, bytes);
        return NULL;
    }
    a->bytes = bytes;
    a->cap = cap;
    a->refs = 1;
    k->made = a;
    k->read.pid = pid;
    k->how = how;
    k->may_ask = may_ask;
    k->me = caller ? sys_gettid() : 0;
    k->caller = caller;
    k->asked = (struct snapshot_thread **)(void *)((char *)a + list);
    arch_call_on_stack(take_all, k, k->stack + OWN_STACK);
    sys_unmap(k, sizeof *k);
    if (a->count == 0) {
        allthreads_free(a);
        return NULL;
    }
    return a;
}

/* ---- by one thread at a time: a list may be shared by several that want one ---- */

static struct lock sharing;
static struct allthreads *shared; /* the last list that may be shared; holds a reference */
static uint32_t shared_count;     /* how many there have been */
static uint32_t wanting;          /* how many threads wait for one */

static void share(struct allthreads *a)
{
    uint64_t mask = sys_block_signals();
    lock_take(&sharing, LOCK_SHARING);
    struct allthreads *before = shared;
    shared = a;
    if (a) {
        ADD(&a->refs, 1);
        STORE_RELEASE(&shared_count, shared_count + 1);
    }
    lock_drop(&sharing);
    sys_restore_signals(mask);
    allthreads_free(before);
}

static struct allthreads *share_of(void)
{
    uint64_t mask = sys_block_signals();
    lock_take(&sharing, LOCK_SHARING);
    struct allthreads *a = shared;
    if (a) {
        ADD(&a->refs, 1);
    }
    lock_drop(&sharing);
    sys_restore_signals(mask);
    return a;
}

struct allthreads *allthreads_take(int pid, int how, const struct stack *caller)
{
    static const uint32_t never;
    if (!(how & ALLTHREADS_SIGNAL)) {
        return take(pid, how, caller, false);
    }
    struct thread *t = caller ? threads_by_tid(sys_gettid()) : NULL;
    const struct labels *labels = t && !t->foreign ? labels_of_thread(t) : NULL;
    bool any = how & ALLTHREADS_SHARE;
    uint32_t seen = any ? LOAD_ACQUIRE(&shared_count) : 0;
    ADD(&wanting, any ? 1 : 0);
    bool turn = allthreads_ask_begin(caller, labels, any ? &shared_count : &never, seen);
    struct allthreads *a = !turn && any && LOAD(&shared_count) != seen ? share_of() : NULL;
    ADD(&wanting, any ? (uint32_t)-1 : 0);
    labels_unref(labels);
    if (a) {
        return a;
    }
    a = take(pid, how, caller, turn);
    if (turn) {
        if (a && LOAD(&wanting) != 0) {
            share(a);
        }
        allthreads_ask_end();
    }
    return a;
}

void allthreads_free(struct allthreads *a)
{
    if (a && __atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        sys_unmap(a, a->bytes);
    }
}

const struct snapshot_thread *allthreads_list(const struct allthreads *a, size_t *n)
{
    *n = a ? a->count : 0;
    return a ? a->thread : NULL;
}

size_t allthreads_samples(const struct allthreads *a, struct snapshot_sample **out, size_t *bytes)
{
    *bytes = (a->count + 1) * sizeof **out;
    *out = sys_map(*bytes);
    if (!*out) {
        return 0;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct snapshot_thread *t = &a->thread[i];
        (*out)[i] = (struct snapshot_sample){.stack = t->stack, .labels = t->labels, .value = {1}};
        (*out)[i].thread = thread_name_on ? thread_name_keep(t->tid, t->name) : NULL;
    }
    return merge_samples(*out, a->count);
}

/* ---- from the thread that takes a list to the scribe ---- */

enum { OFFERS = 128 }; /* lists that wait at once; a further one replaces the oldest */
static struct allthreads *offers[OFFERS]; /* a ring: [offers_taken, offers_made) */
static uint32_t offers_made, offers_taken;

void allthreads_offer(struct allthreads *a)
{
    if (a) {
        struct allthreads **place = &offers[ADD(&offers_made, 1) % OFFERS];
        allthreads_free(__atomic_exchange_n(place, a, __ATOMIC_ACQ_REL));
    }
}

static struct allthreads *offer_take(void)
{
    struct allthreads **place = &offers[offers_taken++ % OFFERS];
    return __atomic_exchange_n(place, NULL, __ATOMIC_ACQ_REL);
}

struct allthreads *allthreads_claim(uint32_t open)
{
    uint32_t made = LOAD_ACQUIRE(&offers_made);
    /* There are more lists than open dumps if several requests became one dump, or if a scribe was
     * killed: the oldest are superfluous. */
    while (made - offers_taken > (open ? open : 1)) {
        allthreads_free(offer_take());
    }
    return made != offers_taken ? offer_take() : NULL;
}

static void start(const struct collector_settings *s, uint32_t parts)
{
    (void)parts;
    allthreads_ask_start(s->signal);
}

static void fork_child(uint64_t nth)
{
    (void)nth;
    allthreads_ask_fork_child();
    lock_drop(&sharing);
    wanting = 0;
    while (offers_taken != offers_made) {
        allthreads_free(offer_take());
    }
}

const struct collector allthreads_collector = {.start = start, .fork_child = fork_child};
