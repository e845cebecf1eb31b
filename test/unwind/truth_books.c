/* SPDX-License-Identifier: MIT
 *
 * See truth_books.h. The truth is libunwind's slow step with all registers (rules_step), from the
 * first frame to the last. Stacks that differ are counted by how they do and by the last frame that
 * they share, and the first few are kept.
 */
#include "test/unwind/truth_books.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/snapshot.h"
#include "collectors/stacks/rules.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

enum {
    DEPTH_MAX = 1024,
    CAUSES = 512,
    KEPT = 12, /* pairs of stacks shown in full */
    REPORT_BYTES = 1 << 18,
};

struct list {
    uintptr_t pc[DEPTH_MAX];
    int n;
};

/* What a sample was. Of all but EQUAL the places are counted. */
enum outcome { EQUAL, TRUNCATED, BARE, FAST_STOPS, SLOW_STOPS, WILD, OTHER, OUTCOMES };
static const char *const outcome_name[OUTCOMES] = {
    [EQUAL] = "equal",
    [TRUNCATED] = "equal, truncated",
    [BARE] = "equal as far as there is frame information",
    [FAST_STOPS] = "the walk stops early",
    [SLOW_STOPS] = "the truth stops early",
    [WILD] = "both truncated, behind a frame in no module",
    [OTHER] = "other frames",
};
static const char *const kind_name[] = {
    [RULE_NONE] = "none", [RULE_SP] = "sp",     [RULE_BP] = "bp",           [RULE_END] = "end",
    [RULE_SLOW] = "slow", [RULE_BUSY] = "busy", [RULE_NOWHERE] = "nowhere",
};

static struct cause {
    enum outcome outcome;
    uintptr_t pc; /* the last frame that both have, 0 = in no module */
    uint8_t kind;
    uint64_t count;
} causes[CAUSES];
static int causes_used;
static struct pair {
    enum outcome outcome;
    struct list fast, slow;
} kept[KEPT];
static int kept_used;
static uint64_t counts[OUTCOMES], frames;
static uint64_t bare_cut; /* of BARE, those that the walk could not finish either */
static int deepest;

/* ---- the truth ---- */

static bool truth_load(void *arg, uintptr_t addr, uintptr_t *word)
{
    const struct stack_bounds *mapped = arg;
    if (addr >= mapped->lo && addr + sizeof *word <= mapped->hi) {
        memcpy(word, (const void *)addr, sizeof *word); /* NOLINT: a stack */
        return true;
    }
    return sys_read_memory(word, addr, sizeof *word) == 0;
}

static void slow_walk(const struct regs *from, const struct stack_bounds *b, struct list *l)
{
    bool own = from->sp >= b->lo && from->sp < b->hi;
    struct stack_bounds mapped = {.lo = own ? from->sp : 1, .hi = own ? b->hi : 0};
    struct stack_memory mem = {truth_load, &mapped};
    struct regs at = *from;
    l->n = 0;
    for (;;) {
        l->pc[l->n++] = at.pc;
        if (l->n == DEPTH_MAX) {
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

/* ---- comparing ---- */

static bool in_module(uintptr_t pc)
{
    struct dl_find_object object;
    return _dl_find_object((void *)(pc - 1), &object) == 0; /* NOLINT */
}

static bool truncated(const struct list *l)
{
    return l->pc[l->n - 1] == PSEUDO_TRUNCATED;
}

static bool wild_end(const struct list *l, int same)
{
    return truncated(l) && (l->n == same + 1 || (l->n == same + 2 && !in_module(l->pc[same])));
}

/* Where the truth knows nothing: the walk may go on by the frame pointer, or know the end. */
static bool is_bare(uintptr_t pc)
{
    return !in_module(pc) || rules_find(pc - 1, false).kind == RULE_NONE;
}

/* same: how many frames both have. */
static enum outcome compare(const struct list *fast, const struct list *slow, int *same)
{
    int i = 0;
    while (i < fast->n && i < slow->n && fast->pc[i] == slow->pc[i]) {
        i++;
    }
    *same = i;
    if (i == fast->n && i == slow->n) {
        *same -= truncated(fast);
        return truncated(fast) ? TRUNCATED : EQUAL;
    }
    if (i > 0 && i == slow->n - 1 && truncated(slow) && is_bare(slow->pc[i - 1])) {
        return BARE;
    }
    if (wild_end(fast, i) && wild_end(slow, i)) {
        return WILD;
    }
    if (i < fast->n && fast->pc[i] == PSEUDO_TRUNCATED) {
        return FAST_STOPS;
    }
    return i < slow->n && slow->pc[i] == PSEUDO_TRUNCATED ? SLOW_STOPS : OTHER;
}

static void count_cause(enum outcome outcome, uintptr_t pc)
{
    if (!in_module(pc)) {
        pc = 0;
    }
    int i = 0;
    while (i < causes_used && (causes[i].outcome != outcome || causes[i].pc != pc)) {
        i++;
    }
    if (i == CAUSES) {
        return;
    }
    if (i == causes_used) {
        uint8_t kind = pc ? rules_find(pc - 1, false).kind : RULE_NOWHERE;
        causes[causes_used++] = (struct cause){outcome, pc, kind, 0};
    }
    causes[i].count++;
}

/* For a debugger to stop at, with its arguments in registers. */
__attribute__((noinline, noclone, noipa)) void truth_stop(const uintptr_t *pcs, long n);
void truth_stop(const uintptr_t *pcs, long n)
{
    __asm__ volatile("" : : "r"(pcs), "r"(n) : "memory");
}

void truth_take(const void *context, const struct stack_bounds *bounds, bool stop)
{
    static struct list fast, slow, plain;
    struct regs regs;
    regs_from_context(&regs, context);
    /* By the trail of the thread's last walk, and all of it anew. */
    struct stack_bounds no_trail = *bounds;
    no_trail.trail = NULL;
    plain.n = unwind(&regs, &no_trail, plain.pc, DEPTH_MAX);
    fast.n = unwind(&regs, bounds, fast.pc, DEPTH_MAX);
    slow_walk(&regs, bounds, &slow);
    int same;
    enum outcome outcome = compare(&fast, &slow, &same);
    enum outcome anew = compare(&plain, &slow, &same);
    if (anew > outcome ||
        (anew == BARE && (plain.n != fast.n ||
                          memcmp(plain.pc, fast.pc, sizeof(uintptr_t) * (size_t)plain.n) != 0))) {
        outcome = anew == BARE ? OTHER : anew;
        fast = plain;
    }
    counts[outcome]++;
    bare_cut += outcome == BARE && truncated(&fast);
    frames += (uint64_t)slow.n;
    deepest = slow.n > deepest ? slow.n : deepest;
    if (outcome != EQUAL) {
        count_cause(outcome, fast.pc[same > 0 ? same - 1 : 0]);
    }
    if (outcome > BARE && kept_used < KEPT) {
        kept[kept_used++] = (struct pair){outcome, fast, slow};
    }
    if (stop) {
        truth_stop(fast.pc, fast.n);
    }
}

/* ---- the report ---- */

static const char *program; /* the name of its file */

static void add_place(struct text *t, uintptr_t pc)
{
    struct dl_find_object object;
    text_add(t, "\"");
    if (pc <= PSEUDO_TRUNCATED) {
        text_add(t, pc == PSEUDO_TRUNCATED ? "[truncated]" : "[no module]");
    } else if (_dl_find_object((void *)(pc - 1), &object) != 0) { /* NOLINT */
        text_add(t, "?");
        text_add_hex(t, pc);
    } else {
        const struct link_map *map = object.dlfo_link_map;
        const char *name = map->l_name[0] ? map->l_name : program;
        const char *slash = strrchr(name, '/');
        text_add(t, slash ? slash + 1 : name);
        text_add(t, "+");
        text_add_hex(t, pc - map->l_addr);
    }
    text_add(t, "\"");
}

static void add_list(struct text *t, const char *name, const struct list *l)
{
    text_add(t, ",\"");
    text_add(t, name);
    text_add(t, "\":[");
    for (int i = 0; i < l->n && i < 64; i++) {
        text_add(t, i ? "," : "");
        add_place(t, l->pc[i]);
    }
    text_add(t, "]");
}

static void add_number(struct text *t, const char *name, uint64_t v)
{
    text_add(t, ",\"");
    text_add(t, name);
    text_add(t, "\":");
    text_add_int(t, (int64_t)v, 1);
}

uint64_t truth_taken(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < OUTCOMES; i++) {
        sum += counts[i];
    }
    return sum;
}

void truth_report(const char *path, const char *exe, uint64_t idle)
{
    static char buf[REPORT_BYTES];
    program = exe;
    struct text t = text_in(buf, sizeof buf);
    text_add(&t, "{\"exe\":\"");
    text_add(&t, exe);
    text_add(&t, "\"");
    add_number(&t, "samples", truth_taken());
    add_number(&t, "truncated", counts[TRUNCATED]);
    add_number(&t, "bare", counts[BARE]);
    add_number(&t, "bare_cut", bare_cut);
    add_number(&t, "different", truth_taken() - counts[EQUAL] - counts[TRUNCATED] - counts[BARE]);
    add_number(&t, "frames", frames);
    add_number(&t, "deepest", (uint64_t)deepest);
    add_number(&t, "idle", idle);
    text_add(&t, ",\"causes\":[");
    for (int i = 0; i < causes_used; i++) {
        const struct cause *c = &causes[i];
        text_add(&t, i ? ",[\"" : "[\"");
        text_add(&t, outcome_name[c->outcome]);
        text_add(&t, "\",\"");
        text_add(&t, kind_name[c->kind]);
        text_add(&t, "\",");
        add_place(&t, c->pc);
        text_add(&t, ",");
        text_add_int(&t, (int64_t)c->count, 1);
        text_add(&t, "]");
    }
    text_add(&t, "],\"shown\":[");
    for (int i = 0; i < kept_used; i++) {
        text_add(&t, i ? ",{\"how\":\"" : "{\"how\":\"");
        text_add(&t, outcome_name[kept[i].outcome]);
        text_add(&t, "\"");
        add_list(&t, "walk", &kept[i].fast);
        add_list(&t, "truth", &kept[i].slow);
        text_add(&t, "}");
    }
    text_add(&t, "]}\n");
    int fd = sys_open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        (void)sys_write_all(fd, t.at, t.len);
        sys_close(fd);
    }
}
