/* SPDX-License-Identifier: MIT
 *
 * See allthreads_ask.h. What lies between allthreads_ask_open() and _close() is a round. Each
 * thread asked has a slot in an array that is never freed. The slot's word holds the number of the
 * round and the state:
 *
 *     ASKED → WRITING → ANSWERED     by the thread asked, in the signal's handler
 *     ASKED → CLOSED                 by the asking thread: at the end, or because the thread sleeps
 *
 * A thread walks its stack first, and then sets WRITING, for the time of two stores. A handler that
 * runs too late finds the number of another round, or CLOSED, and changes nothing.
 *
 * The handler looks at every signal of ours whether its thread is asked, also at those of the
 * thread's own timer for the profile cpu. Where that is all there is, as in the scribe, whose
 * process can make no timers for the program's threads, an answer takes up to a period of it.
 */
#include "collectors/threads/allthreads_ask.h"

#include "collectors/base/lock.h"
#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/labels.h"
#include "collectors/threads/thread_tick.h"
#include "collectors/threads/threads.h"

enum { ASKED, WRITING, ANSWERED, CLOSED, STEP = 4 };

struct slot {
    uint32_t word; /* round × STEP + the state */
    int32_t tid;
    int32_t timer; /* that will bring the signal; -1 = none */
    const struct stack *stack;
    const struct labels *labels; /* the kept copy */
};

static int signal_used;
static struct lock asking; /* held by the asking thread */
static int asker;          /* that thread's id; 0 = none */
static uint32_t round_now; /* the number of the present round; 0 = no thread is asked */
static uint32_t rounds;    /* the number of the last round */
static uint32_t answers;   /* how many threads have answered: the futex that the asker sleeps on */
static struct slot *slots;
static size_t slots_cap;
static uint32_t slots_open; /* how many slots the present round has */

void allthreads_ask_start(int signal)
{
    signal_used = signal;
}

int allthreads_ask_signal(void)
{
    return signal_used;
}

/* ---- the thread that is asked ---- */

static struct slot *slot_of(int tid, uint32_t round)
{
    uint32_t n = LOAD_ACQUIRE(&slots_open);
    for (uint32_t i = 0; i < n; i++) {
        if (LOAD(&slots[i].tid) == tid && LOAD_ACQUIRE(&slots[i].word) == round * STEP + ASKED) {
            return &slots[i];
        }
    }
    return NULL;
}

static void answer(const struct stack *stack, const struct labels *labels)
{
    uint32_t round = LOAD_ACQUIRE(&round_now);
    struct slot *s = round ? slot_of(sys_gettid(), round) : NULL;
    uint32_t seen = round * STEP + ASKED;
    const struct labels *kept = s ? labels_keep(labels) : NULL;
    if (s && stack && CAS(&s->word, &seen, round * STEP + WRITING)) {
        s->stack = stack;
        s->labels = kept;
        STORE_RELEASE(&s->word, round * STEP + ANSWERED);
        ADD(&answers, 1);
        sys_futex_wake(&answers);
    }
}

bool allthreads_ask_answer(const void *siginfo, const void *ucontext)
{
    bool ours = thread_tick_is(siginfo, &asking);
    uint32_t round = LOAD_ACQUIRE(&round_now);
    if (UNLIKELY(round != 0) && slot_of(sys_gettid(), round)) {
        struct thread *t = threads_by_tid(sys_gettid());
        bool foreign = !t || t->foreign;
        struct stack_bounds bounds = {.foreign = foreign};
        if (!foreign) {
            bounds.lo = t->stack_lo;
            bounds.hi = t->stack_hi;
            bounds.trail = &self.trail;
        }
        struct regs regs;
        regs_from_context(&regs, ucontext);
        answer(stack_of_thread(&regs, &bounds), foreign ? labels_of_process() : self.labels);
    }
    return ours;
}

/* ---- the asking thread ---- */

static bool round_begin(size_t n)
{
    if (n > slots_cap) { /* the old array stays: a late handler may still look at it */
        struct slot *more = sys_map(2 * n * sizeof *more);
        if (!more) {
            return false;
        }
        slots = more;
        slots_cap = 2 * n;
    }
    rounds++;
    rounds += rounds * STEP < STEP; /* never 0 */
    return true;
}

static bool is_open(const struct slot *s)
{
    uint32_t what = LOAD_ACQUIRE(&s->word) % STEP;
    return what == ASKED || what == WRITING;
}

bool allthreads_ask_wait(int64_t until)
{
    for (;;) {
        uint32_t seen = LOAD_ACQUIRE(&answers);
        bool open = false;
        for (uint32_t i = 0; i < slots_open && !open; i++) {
            open = is_open(&slots[i]);
        }
        int64_t left = until - sys_clock_ns(CLOCK_MONOTONIC);
        if (!open || left <= 0) {
            return !open;
        }
        sys_futex_wait(&answers, seen, left);
    }
}

/* Takes the slot's answer, or closes the slot. */
static void collect(struct slot *s, struct snapshot_thread *t)
{
    uint32_t round = LOAD(&round_now);
    uint32_t seen = round * STEP + ASKED;
    CAS(&s->word, &seen, round * STEP + CLOSED);
    for (int i = 0; LOAD_ACQUIRE(&s->word) == round * STEP + WRITING; i++) {
        if (i >
            1000) { /* it has lost its processor between two stores: use another array from now */
            slots_cap = 0;
            return;
        }
        sys_call0(SYS_sched_yield);
    }
    if (LOAD(&s->word) == round * STEP + ANSWERED) {
        t->stack = s->stack;
        t->labels = s->labels;
    }
}

bool allthreads_ask_begin(const struct stack *own, const struct labels *labels,
                          const uint32_t *changes, uint32_t seen)
{
    enum { AT_MOST = 300 };
    const struct timespec nap = {0, 1000000};
    for (int i = 0; i < AT_MOST && LOAD_ACQUIRE(changes) == seen; i++) {
        if (lock_try(&asking, LOCK_ASKING)) {
            STORE(&asker, sys_gettid());
            return true;
        }
        if (LOAD(&asker) == sys_gettid()) {
            return false; /* this is a handler that has interrupted the asking thread */
        }
        if (own) { /* the asking thread may wait for this one, in which signals may be blocked */
            answer(own, labels);
        }
        sys_call2(SYS_nanosleep, &nap, NULL);
    }
    return false;
}

void allthreads_ask_end(void)
{
    STORE(&asker, 0);
    lock_drop(&asking);
}

bool allthreads_ask_open(bool own, struct snapshot_thread *const *asked, size_t n)
{
    if (!round_begin(n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        slots[i] = (struct slot){rounds * STEP + ASKED, asked[i]->tid, -1, NULL, NULL};
    }
    STORE_RELEASE(&slots_open, (uint32_t)n);
    __atomic_store_n(&round_now, rounds, __ATOMIC_SEQ_CST);
    for (size_t i = 0; own && i < n; i++) {
        const struct thread *t = threads_by_tid(asked[i]->tid);
        if (t && LOAD(&t->aside)) {
            allthreads_ask_withdraw(i);
        } else {
            slots[i].timer = thread_tick_arm(asked[i]->tid, signal_used, &asking);
        }
    }
    return true;
}

bool allthreads_ask_is_open(size_t i)
{
    return is_open(&slots[i]);
}

void allthreads_ask_withdraw(size_t i)
{
    uint32_t seen = LOAD(&round_now) * STEP + ASKED;
    CAS(&slots[i].word, &seen, LOAD(&round_now) * STEP + CLOSED);
}

void allthreads_ask_close(struct snapshot_thread *const *asked, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        thread_tick_drop(slots[i].timer);
    }
    for (size_t i = 0; i < n; i++) {
        collect(&slots[i], asked[i]);
    }
    STORE_RELEASE(&round_now, 0);
    STORE_RELEASE(&slots_open, 0);
}

/* ---- fork ---- */

void allthreads_ask_fork_child(void)
{
    round_now = 0;
    slots_open = 0;
    asker = 0;
    lock_drop(&asking);
}
