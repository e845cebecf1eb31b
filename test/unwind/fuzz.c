/* SPDX-License-Identifier: MIT
 *
 * The fuzz target of the stack walk: a made-up module whose frame information is the input's, a
 * stack and registers that are the input's, unwind() with and without the trail of the walk before,
 * between which a word of the stack changes. The module comes in through module_find,
 * which this file has instead of collectors/rules_module.c. libunwind is mapped by a loader of our
 * own and so not instrumented: frame information and stack lie against pages that cannot be read,
 * at addresses that nothing else is near.
 *
 * Entered by libFuzzer or by fuzz_driver.c. A crash under the rules lock cannot be caught in the
 * process (signals are blocked), so each input is left in a shared file first, if FUZZ_LAST names
 * one.
 */
#include "test/unwind/fuzz.h"

#include "collectors/base/sys.h"
#include "collectors/snapshot.h"
#include "collectors/stacks/rules.h"
#include "collectors/stacks/rules_module.h"
#include "collectors/stacks/unwind.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { CODE_BYTES = 1 << 16, FRAMES = 64 };
#define CODE 0x200000001000UL
#define FRAME_INFO (CODE + CODE_BYTES)
#define FRAME_END (FRAME_INFO + 2 * FUZZ_FRAME_MAX) /* made table below, input above */
#define STACK 0x210000001000UL
#define STACK_END (STACK + FUZZ_STACK_MAX)
/* 64 frames, each stepped at most twice at 2^16 reads of some ns, sanitizers, other load. */
#define NS_MAX (2000L * 1000 * 1000)

int64_t fuzz_worst_ns;
static uintptr_t header_at;
static uint8_t *last_input;

void module_start(void)
{
}

bool module_find(struct module *m, uintptr_t pc)
{
    *m = (struct module){CODE, FRAME_END, header_at};
    return pc >= CODE && pc < FRAME_END;
}

/* Linked with --wrap=sys_readable: no memory but the input's is there, so that the same input does
 * the same everywhere, and nothing strays into what a sanitizer keeps for itself. */
bool __real_sys_readable(uintptr_t addr);
bool __wrap_sys_readable(uintptr_t addr);
bool __wrap_sys_readable(uintptr_t addr)
{
    bool ours = (addr >= CODE - 4096 && addr < FRAME_END + 4096) ||
                (addr >= STACK - 4096 && addr < STACK_END + 4096);
    return ours && __real_sys_readable(addr);
}

static void map_at(uintptr_t at, size_t bytes)
{
    void *p = mmap((void *)(at - 4096), bytes + 8192, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != (void *)(at - 4096) || mprotect((void *)at, bytes, PROT_READ | PROT_WRITE) != 0) {
        perror("fuzz: mapping");
        exit(2);
    }
}

static void start(void)
{
    map_at(CODE, FRAME_END - CODE);
    map_at(STACK, FUZZ_STACK_MAX);
    const char *path = getenv("FUZZ_LAST");
    int fd = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;
    if (fd >= 0 && ftruncate(fd, FUZZ_INPUT_MAX + 8) == 0) {
        void *p = mmap(NULL, FUZZ_INPUT_MAX + 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        last_input = p == MAP_FAILED ? NULL : p;
    }
    if (rules_start(true) != 0) {
        fprintf(stderr, "fuzz: no libunwind\n");
        exit(2);
    }
}

static void put32(uintptr_t at, uint32_t v)
{
    memcpy((void *)at, &v, sizeof v);
}

/* A table of one entry, for all code. */
static void make_table(uintptr_t fde)
{
    static const uint8_t head[] = {1, 0x1b, 0x03, 0x3b};
    header_at = FRAME_INFO;
    memcpy((void *)FRAME_INFO, head, sizeof head);
    put32(FRAME_INFO + 4, 0);
    put32(FRAME_INFO + 8, 1);
    put32(FRAME_INFO + 12, (uint32_t)(CODE - FRAME_INFO));
    put32(FRAME_INFO + 16, (uint32_t)(fde - FRAME_INFO));
}

/* The input's bytes end where the mapping ends, so that reading on is a fault. */
static void place_frames(const struct fuzz_head *h, const uint8_t *bytes, size_t n)
{
    static size_t before;
    memset((void *)(FRAME_END - before), 0, before);
    before = n;
    uintptr_t at = FRAME_END - n;
    uintptr_t fde = at + (n ? h->fde_at % n : 0);
    memcpy((void *)at, bytes, n);
    if (!(h->mode & FUZZ_RAW_FDE) && FRAME_END - fde >= 16) {
        put32(fde + 8, (uint32_t)(CODE - (fde + 8)));
        put32(fde + 12, CODE_BYTES);
    }
    if (h->mode & FUZZ_RAW_TABLE) {
        header_at = at;
    } else {
        make_table(fde);
    }
}

static uintptr_t stack_address(uint32_t word)
{
    return STACK + word * 8UL % FUZZ_STACK_MAX;
}

static void place_stack(const struct fuzz_head *h, const uint8_t *bytes, size_t n)
{
    memset((void *)STACK, 0, FUZZ_STACK_MAX);
    memcpy((void *)STACK, bytes, n);
    uintptr_t *words = (uintptr_t *)STACK;
    for (size_t i = 0; i < n / 8 && !(h->mode & FUZZ_RAW_STACK); i++) {
        switch (words[i] & 3) {
        case 1:
            words[i] = CODE + (words[i] >> 2) % CODE_BYTES;
            break;
        case 2:
            words[i] = stack_address((uint32_t)(words[i] >> 2));
            break;
        default:
            break;
        }
    }
}

static void finding(const char *what, int64_t figure)
{
    fprintf(stderr, "fuzz: %s (%ld)\n", what, (long)figure);
    abort();
}

struct list {
    uintptr_t pc[FRAMES + 1];
    int n;
};

/* trail: of an earlier walk, or NULL. */
static void walk(const struct fuzz_head *h, uint32_t *trail, struct list *s)
{
    ucontext_t context;
    struct stack_bounds bounds = {.lo = STACK, .hi = STACK_END, .trail = trail};
    uintptr_t other = stack_address(h->other_at);
    struct regs r = {
        .pc = CODE + h->pc_at + 1,
        .sp = stack_address(h->sp_at),
        .bp = stack_address(h->bp_at),
        .saved = {other, other + 8, other ^ 64, other + 1, h->other_at},
        .lost = h->lost & (LOST_BP | LOST_ALL_BUT_BP),
    };
    if (h->mode & FUZZ_UNKNOWN_STACK) {
        bounds = (struct stack_bounds){.trail = trail};
    }
    if (h->mode & FUZZ_CONTEXT) {
        memset(&context, 0, sizeof context);
        for (size_t i = 0; i < NGREG; i++) {
            context.uc_mcontext.gregs[i] = (greg_t)(other + i * 8);
        }
        r.context = &context;
    }
    s->pc[FRAMES] = 0x5a5a5a5a;
    int max = h->max % FRAMES + 1;
    int64_t t = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    s->n = unwind(&r, &bounds, s->pc, max);
    t = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID) - t;
    fuzz_worst_ns = t > fuzz_worst_ns ? t : fuzz_worst_ns;
    if (t > NS_MAX) {
        finding("a walk takes too long, in ns", t);
    }
    if (s->n < 1 || s->n > max || s->pc[FRAMES] != 0x5a5a5a5a) {
        finding("a walk of no length", s->n);
    }
    for (int i = 0; i + 1 < s->n; i++) {
        if (s->pc[i] < PSEUDO_PC_LIMIT) {
            finding("a name in the middle of a stack", i);
        }
    }
}

/* By the rules, and then by the trail, that the walk before has left. */
static void walk_all_ways(const struct fuzz_head *h)
{
    static uint32_t trail;
    struct list plain, trailed;
    for (int i = 0; i < 3; i++) {
        walk(h, NULL, &plain);
        walk(h, &trail, &trailed);
        if (plain.n != trailed.n ||
            memcmp(plain.pc, trailed.pc, (size_t)plain.n * sizeof plain.pc[0]) != 0) {
            finding("another stack by the trail, frames", trailed.n);
        }
        uintptr_t *words = (uintptr_t *)STACK;
        size_t place = (h->sp_at + (h->other_at >> 8) % 32) % (FUZZ_STACK_MAX / 8);
        words[place] = words[(place + 1 + (size_t)i) % (FUZZ_STACK_MAX / 8)];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static bool started;
    if (!started) {
        started = true;
        start();
    }
    struct fuzz_head h = {0};
    if (bytes > FUZZ_INPUT_MAX) {
        return -1;
    }
    if (last_input) {
        memcpy(last_input, &bytes, sizeof bytes);
        memcpy(last_input + 8, data, bytes);
    }
    memcpy(&h, data, bytes < sizeof h ? bytes : sizeof h);
    size_t left = bytes < sizeof h ? 0 : bytes - sizeof h;
    const uint8_t *rest = data + (bytes - left);
    size_t frames = h.frame_bytes % (FUZZ_FRAME_MAX + 1);
    frames = frames < left ? frames : left;
    size_t stack = left - frames < FUZZ_STACK_MAX ? left - frames : FUZZ_STACK_MAX;
    place_frames(&h, rest, frames);
    place_stack(&h, rest + frames, stack);
    rules_forget();
    walk_all_ways(&h);
    return 0;
}
