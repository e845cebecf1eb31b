/* SPDX-License-Identifier: MIT
 *
 * The ends of OpenMP's parallel regions, where all threads of a team wait for its last one, and
 * tasks, which a thread runs while it waits. See openmp.h.
 *
 * The thread that opens a region runs the body like the others, and the call returns when all are
 * through. So each thread notes when it has come to the end of the body, and the thread that opened
 * the region counts the waits of all of them, under its own stack: that of another thread has no
 * frame of the program at that time. What the others do after the region is over is not waiting,
 * but the idleness of a pool. Sums suffice for that: n threads that came at the times t have waited
 * n·end − Σt together.
 *
 * A wait of ours may have begun before the thread ran a task, and end after it. So each body of a
 * task is called through one of 256 small functions, which knows it by its own number, because the
 * argument is the runtime's to copy. It takes the time that the body has taken off the wait.
 *
 * Any thread of the program's. No locks.
 */
#include "preload/hooks/openmp.h"

#include "collectors/base/hash.h"
#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"

/* ---- regions ---- */

/* Of static memory, because a thread of the team may look at it after the region's end. */
struct openmp_region {
    uint32_t taken;
    uint32_t threads; /* that have come to the end of the body */
    openmp_body *body;
    void *arg;
    uint64_t came; /* Σt, ticks */
    uint64_t last; /* the greatest t */
    uint64_t ran;  /* ticks in which threads ran tasks after that */
    uint64_t opener_came;
    const struct self *opener; /* the thread that has opened the region */
} __attribute__((aligned(CACHE_LINE)));

enum { REGIONS = 64 }; /* open at once, beyond which they are not counted */
static struct openmp_region regions[REGIONS];

static struct openmp_region *region_take(void)
{
    for (int i = 0; i < REGIONS; i++) {
        struct openmp_region *g = &regions[i];
        if (!LOAD(&g->taken) && !__atomic_exchange_n(&g->taken, 1, __ATOMIC_ACQUIRE)) {
            return g;
        }
    }
    return NULL;
}

/* The thread has come to the end of the body. */
static void region_came(struct openmp_region *g)
{
    uint64_t now = ticks_now();
    if (g->opener == &self) {
        g->opener_came = now;
    }
    uint64_t last = LOAD(&g->last);
    while (last < now && !CAS(&g->last, &last, now)) {
    }
    ADD(&g->came, now);
    ADD(&g->threads, 1);
    self.openmp_region = g;
}

static BELOW_PROGRAM void region_body(void *region)
{
    struct openmp_region *g = region;
    struct openmp_wait *wait = self.openmp_wait;
    self.openmp_wait = NULL;
    self.openmp_region = NULL;
    g->body(g->arg);
    region_came(g);
    self.openmp_wait = wait;
}

/* The last thread to come has not waited. But where tasks were run, which thread was the last to
 * have nothing to do is not known. */
static void region_over(const struct openmp_region *g)
{
    uint64_t now = ticks_now();
    uint32_t waits = g->threads - (g->ran == 0);
    uint64_t end = g->ran == 0 ? g->last : now;
    uint64_t waited = end * g->threads - g->came;
    if (g->ran == 0 && g->opener_came < g->last && now > g->last) {
        waited += now - g->last; /* until the opener was awake */
    }
    if (waits > 0 && waited > g->ran) {
        contention_waits_over(waited - g->ran, waits);
    }
}

BELOW_PROGRAM long openmp_region(const struct openmp *r, enum openmp_id id, openmp_body *body,
                                 void *arg, long a, long b, long c, long d, long e, long f)
{
    openmp_region_start *real = (openmp_region_start *)r->real[id];
    struct openmp_region *g = contention_on ? region_take() : NULL;
    if (!g) {
        return real(body, arg, a, b, c, d, e, f);
    }
    struct openmp_region *outer = self.openmp_region;
    g->body = body;
    g->arg = arg;
    g->opener = &self;
    g->threads = 0;
    g->came = g->last = g->ran = g->opener_came = 0;
    long result = real(region_body, g, a, b, c, d, e, f);
    self.openmp_region = outer;
    contention_leaf(r->real[id]);
    region_over(g);
    contention_leaf(NULL);
    STORE_RELEASE(&g->taken, 0);
    return result;
}

/* ---- tasks ---- */

enum { BODIES = 256 };
static openmp_body *bodies[BODIES];

/* The thread runs a task. Waits inside it are waits of their own. */
static BELOW_PROGRAM void task_run(unsigned i, void *arg)
{
    struct openmp_wait *wait = self.openmp_wait;
    struct openmp_region *region = self.openmp_region;
    openmp_body *body = LOAD(&bodies[i]);
    if (!wait && !region) {
        body(arg);
        return;
    }
    uint64_t began = ticks_now();
    self.openmp_wait = NULL;
    self.openmp_region = NULL;
    body(arg);
    self.openmp_wait = wait;
    self.openmp_region = region;
    uint64_t ran = ticks_now() - began;
    if (wait) {
        wait->ran += ran;
    } else {
        ADD(&region->ran, ran);
    }
}

#define RUN(i)                                                                                     \
    static BELOW_PROGRAM void task_##i(void *arg)                                                  \
    {                                                                                              \
        task_run(0x##i, arg);                                                                      \
    }
#define ENTRY(i) task_##i,
#define SIXTEEN(DO, i)                                                                             \
    DO(i##0)                                                                                       \
    DO(i##1)                                                                                       \
    DO(i##2)                                                                                       \
    DO(i##3)                                                                                       \
    DO(i##4)                                                                                       \
    DO(i##5)                                                                                       \
    DO(i##6)                                                                                       \
    DO(i##7)                                                                                       \
    DO(i##8)                                                                                       \
    DO(i##9)                                                                                       \
    DO(i##a)                                                                                       \
    DO(i##b)                                                                                       \
    DO(i##c)                                                                                       \
    DO(i##d)                                                                                       \
    DO(i##e)                                                                                       \
    DO(i##f)
#define ALL(DO)                                                                                    \
    SIXTEEN(DO, 0)                                                                                 \
    SIXTEEN(DO, 1)                                                                                 \
    SIXTEEN(DO, 2)                                                                                 \
    SIXTEEN(DO, 3)                                                                                 \
    SIXTEEN(DO, 4)                                                                                 \
    SIXTEEN(DO, 5)                                                                                 \
    SIXTEEN(DO, 6)                                                                                 \
    SIXTEEN(DO, 7)                                                                                 \
    SIXTEEN(DO, 8)                                                                                 \
    SIXTEEN(DO, 9)                                                                                 \
    SIXTEEN(DO, a)                                                                                 \
    SIXTEEN(DO, b)                                                                                 \
    SIXTEEN(DO, c)                                                                                 \
    SIXTEEN(DO, d)                                                                                 \
    SIXTEEN(DO, e)                                                                                 \
    SIXTEEN(DO, f)
ALL(RUN)
static openmp_body *const runs[BODIES] = {ALL(ENTRY)};

/* Bodies are found by their address, from a hashed place on. */
openmp_body *openmp_task_body(openmp_body *body)
{
    uint32_t from = hash_bits((uint32_t)(uintptr_t)body, 8);
    for (uint32_t i = 0; i < BODIES; i++) {
        uint32_t at = (from + i) % BODIES;
        openmp_body *there = LOAD(&bodies[at]);
        if (!there && CAS(&bodies[at], &there, body)) {
            there = body;
        }
        if (there == body) {
            return runs[at];
        }
    }
    return body;
}
