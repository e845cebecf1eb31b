/* SPDX-License-Identifier: MIT
 *
 * See stack.h. A walk starts in this library, so that the first frames are the library's own. They
 * are recognised by their addresses and not by their number, which inlining and tail calls change.
 */
#include "collectors/stacks/stack.h"

#include "collectors/base/arena.h"
#include "collectors/base/self.h"
#include "collectors/base/sys.h"
#include "collectors/stacks/own_code.h"
#include "collectors/stacks/unloaded.h"
#include "collectors/stacks/unwind.h"
#include "collectors/stacks/unwind_trail.h"

#include <string.h>

enum {
    HIDDEN_RANGES = 32,
    OWN_FRAMES = 16, /* room for frames that are left out: this library's and operator new's */
};

static int depth_kept = 128;
static struct {
    uintptr_t lo, hi;
} hidden[HIDDEN_RANGES];
static uint32_t hidden_count;

void stack_start(int depth)
{
    depth_kept = depth > STACK_DEPTH_MAX ? STACK_DEPTH_MAX : depth;
}

static bool is_hidden(uintptr_t pc)
{
    uint32_t n = LOAD_ACQUIRE(&hidden_count);
    for (uint32_t i = 0; i < n; i++) {
        if (pc - hidden[i].lo < hidden[i].hi - hidden[i].lo) {
            return true;
        }
    }
    return false;
}

void stack_hide(uintptr_t lo, uintptr_t hi)
{
    uint32_t n = LOAD(&hidden_count);
    if (n < HIDDEN_RANGES && !is_hidden(lo)) {
        hidden[n].lo = lo;
        hidden[n].hi = hi;
        STORE_RELEASE(&hidden_count, n + 1);
    }
}

struct stack_bounds stack_own_bounds(void)
{
    return (struct stack_bounds){
        .lo = self.stack_lo, .hi = self.stack_hi, .foreign = false, .trail = &self.trail};
}

/* Leaves out the frames of this library, wherever they are in the stack: a hook's frame may lie
 * between those of libc that it calls, or of a handler that has interrupted it, and the program's.
 * Moves the other frames to pcs[at] and behind, from index `from` on, and returns the number of
 * frames that there are then. */
static int drop_own(uintptr_t *pcs, int at, int from, int n)
{
    for (int i = from; i < n; i++) {
        if (!code_is_own(pcs[i])) {
            pcs[at++] = pcs[i];
        }
    }
    return at;
}

static const struct stack *keep_at_most(uintptr_t *pcs, int n)
{
    n = n > depth_kept ? depth_kept : n;
    if (n <= 0) {
        return stack_pseudo(PSEUDO_TRUNCATED);
    }
    unloaded_mark(pcs, n);
    return stack_keep(pcs, n);
}

/* Where a walk puts its frames: not on the program's stack, which may be an alternate one of a few
 * KiB. WALKS walks can have such memory at once; a further one has SHORT_WALK frames on the stack.
 */
enum { WALKS = 64, SHORT_WALK = 48 };
static struct walk {
    uint32_t taken;
    uintptr_t *pcs; /* depth_kept + OWN_FRAMES; NULL = not yet made */
} walks[WALKS];

static struct walk *walk_take(void)
{
    for (int i = 0; i < WALKS; i++) {
        struct walk *w = &walks[i];
        if (LOAD(&w->taken) || __atomic_exchange_n(&w->taken, 1, __ATOMIC_ACQUIRE)) {
            continue;
        }
        if (!w->pcs) {
            w->pcs = arena_alloc((size_t)(depth_kept + OWN_FRAMES) * sizeof *w->pcs);
        }
        if (w->pcs) {
            return w;
        }
        STORE_RELEASE(&w->taken, 0);
        return NULL;
    }
    return NULL;
}

static void walk_drop(struct walk *w)
{
    STORE_RELEASE(&w->taken, 0);
}

void stack_fork_child(void)
{
    for (int i = 0; i < WALKS; i++) {
        walks[i].taken = 0; /* by threads that the child does not have */
    }
    trail_fork_child();
}

/* How many of the first frames are this library's, or of an operator new that calls it. */
static int own_frames(const uintptr_t *pcs, int n)
{
    int first = 0;
    while (first < n && (code_is_own(pcs[first]) || is_hidden(pcs[first] - 1))) {
        first++;
    }
    return first;
}

static const struct stack *keep_caller(uintptr_t *pcs, int n)
{
    return keep_at_most(pcs, drop_own(pcs, 0, own_frames(pcs, n), n));
}

/* Time is this library's where the interrupted instruction is. What a hook has called, be it libc's
 * function or, by a signal, a handler of the program's, has its own frames and its own time. */
static const struct stack *keep_context(uintptr_t *pcs, int n)
{
    int at = 0;
    if (n > 0 && code_is_own(pcs[0]) && !code_is_below(pcs[0])) {
        pcs[at++] = PSEUDO_SELF;
    }
    return keep_at_most(pcs, drop_own(pcs, at, at, n));
}

/* Without a buffer. A function of its own, so that its array is not also in the frame of each walk
 * that has one: the signal handler may stand on a thread's last 2 KiB of stack. */
static COLD const struct stack *
walk_short_and_keep(const struct regs *regs, const struct stack_bounds *bounds,
                    const struct stack *(*keep)(uintptr_t *pcs, int n))
{
    uintptr_t pcs[SHORT_WALK];
    return keep(pcs, unwind(regs, bounds, pcs, SHORT_WALK));
}

static __attribute__((noinline)) const struct stack *
walk_and_keep(const struct regs *regs, const struct stack_bounds *bounds,
              const struct stack *(*keep)(uintptr_t *pcs, int n))
{
    struct walk *w = walk_take();
    if (!w) {
        return walk_short_and_keep(regs, bounds, keep);
    }
    const struct stack *s = keep(w->pcs, unwind(regs, bounds, w->pcs, depth_kept + OWN_FRAMES));
    walk_drop(w);
    return s;
}

const struct stack *stack_of_caller(void)
{
    struct regs regs;
    regs_capture(&regs);
    struct stack_bounds bounds = stack_own_bounds();
    return walk_and_keep(&regs, &bounds, keep_caller);
}

const struct stack *stack_of_caller_at(const struct regs *regs, const struct stack_bounds *bounds)
{
    return walk_and_keep(regs, bounds, keep_caller);
}

const struct stack *stack_of_thread(const struct regs *regs, const struct stack_bounds *bounds)
{
    return walk_and_keep(regs, bounds, keep_context);
}

const struct stack *stack_of_thread_in(uintptr_t leaf, const struct regs *regs,
                                       const struct stack_bounds *bounds)
{
    struct walk *w = walk_take();
    if (!w) {
        return stack_of_thread(regs, bounds);
    }
    w->pcs[0] = leaf + 1;
    int n = unwind(regs, bounds, w->pcs + 1, depth_kept + OWN_FRAMES - 1);
    const struct stack *s = keep_context(w->pcs, n + 1);
    walk_drop(w);
    return s;
}

const struct stack *stack_in(const struct stack *s, uintptr_t leaf)
{
    struct walk *w = walk_take();
    if (!w) {
        return s;
    }
    w->pcs[0] = leaf + 1;
    memcpy(w->pcs + 1, s->pc, (size_t)s->depth * sizeof *s->pc);
    const struct stack *kept = keep_at_most(w->pcs, (int)s->depth + 1);
    walk_drop(w);
    return kept ? kept : s;
}

const struct stack *stack_of_caller_above(int skip)
{
    if (skip == 0) {
        return stack_of_caller();
    }
    enum { SKIP_MAX = 1 << 20 };
    int most = (skip > SKIP_MAX ? SKIP_MAX : skip) + depth_kept + OWN_FRAMES;
    size_t bytes =
        (size_t)most * sizeof(uintptr_t); /* only as much is touched as there are frames */
    uintptr_t *pcs = sys_map(bytes);
    if (!pcs) {
        return NULL;
    }
    struct regs regs;
    regs_capture(&regs);
    struct stack_bounds bounds = stack_own_bounds();
    int n = unwind(&regs, &bounds, pcs, most);
    n = drop_own(pcs, 0, own_frames(pcs, n), n);
    const struct stack *s =
        skip < n ? keep_at_most(pcs + skip, n - skip) : stack_pseudo(PSEUDO_SKIPPED);
    sys_unmap(pcs, bytes);
    return s;
}

const struct stack *stack_of_context(const struct regs *regs, const struct stack_bounds *bounds)
{
    return walk_and_keep(regs, bounds, keep_context);
}
