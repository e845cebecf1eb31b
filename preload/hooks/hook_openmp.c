/* SPDX-License-Identifier: MIT
 *
 * What libgomp's entry points are called through: waits and locks. See openmp.h. Each entry point
 * has a function here for each runtime that the process may have, because the real one is the
 * runtime's own; all of them lead to one function for each kind.
 *
 * A lock that is free costs a look or a try, as in hook_lock.c. The other calls are timed, for
 * nothing tells beforehand whether they will have to wait.
 */
#include "preload/hooks/openmp.h"

#include "collectors/base/self.h"
#include "collectors/stacks/stack.h"
#include "collectors/waits/waiters.h"

enum { NO_WAIT_NS = 1000 };

void openmp_wait_begins(struct openmp_wait *o, const void *lock)
{
    o->ran = 0;
    o->outer = self.openmp_wait;
    self.openmp_wait = o;
    contention_wait_begins(&o->w, lock);
}

void openmp_wait_ends(struct openmp_wait *o, const void *function)
{
    self.openmp_wait = o->outer;
    if (o->w.began == 0) {
        return;
    }
    if (!o->w.lock) {
        o->w.began += o->ran;
        uint64_t now = ticks_now();
        if (now < o->w.began || ticks_known_ns(now - o->w.began) < NO_WAIT_NS) {
            return;
        }
    }
    contention_leaf(function);
    contention_wait_ends(&o->w, true);
    contention_leaf(NULL);
}

/* ---- waits ---- */

static BELOW_PROGRAM long wait_for_threads(const struct openmp *r, enum openmp_id id, long a)
{
    long (*real)(long) = (long (*)(long))r->real[id];
    if (!contention_on) {
        return real(a);
    }
    struct openmp_wait o;
    openmp_wait_begins(&o, NULL);
    long result = real(a);
    openmp_wait_ends(&o, r->real[id]);
    return result;
}

/* ---- locks ---- */

typedef int take_lock(void *lock);

/* lock: the address by which block and mutex know the threads that wait for it. */
static void take(const struct openmp *r, enum openmp_id id, void *argument, const void *lock)
{
    struct openmp_wait o;
    openmp_wait_begins(&o, lock);
    ((take_lock *)r->real[id])(argument);
    openmp_wait_ends(&o, r->real[id]);
}

static void release(const struct openmp *r, enum openmp_id id, void *argument, const void *lock)
{
    struct contention_hold h;
    contention_release_begins(&h, lock, NULL);
    ((take_lock *)r->real[id])(argument);
    contention_leaf(r->real[id]);
    contention_release_ends(&h, lock, true);
    contention_leaf(NULL);
}

static void take_unnamed(const struct openmp *r, enum openmp_id id, uint32_t *held)
{
    if (contention_on && LOAD(held)) {
        take(r, id, NULL, held);
    } else {
        ((take_lock *)r->real[id])(NULL);
    }
    STORE(held, 1);
}

static void release_unnamed(const struct openmp *r, enum openmp_id id, uint32_t *held)
{
    STORE(held, 0);
    if (UNLIKELY(waiters_maybe(held))) {
        release(r, id, NULL, held);
    } else {
        ((take_lock *)r->real[id])(NULL);
    }
}

static void take_named(const struct openmp *r, enum openmp_id id, void **name)
{
    if (contention_on && LOAD(name)) {
        take(r, id, name, name);
    } else {
        ((take_lock *)r->real[id])((void *)name);
    }
}

static void release_lock(const struct openmp *r, enum openmp_id id, void *lock)
{
    if (UNLIKELY(waiters_maybe(lock))) {
        release(r, id, lock, lock);
    } else {
        ((take_lock *)r->real[id])(lock);
    }
}

static void take_lock_tried(const struct openmp *r, enum openmp_id id, enum openmp_id test,
                            void *lock)
{
    if (!contention_on || !r->real[test]) {
        ((take_lock *)r->real[id])(lock);
    } else if (!((take_lock *)r->real[test])(lock)) {
        take(r, id, lock, lock);
    }
}

/* An inner unlock releases nothing: locked once more by the call that tries, the lock tells how
 * often it is locked. */
static void release_nested(const struct openmp *r, enum openmp_id id, enum openmp_id test,
                           void *lock)
{
    take_lock *unset = (take_lock *)r->real[id];
    if (UNLIKELY(waiters_maybe(lock)) && r->real[test]) {
        int times = ((take_lock *)r->real[test])(lock);
        if (times > 0) {
            unset(lock);
        }
        if (times == 2) {
            release(r, id, lock, lock);
            return;
        }
    }
    unset(lock);
}

/* ---- one function for each entry point and runtime ---- */

#define R(n) (&openmp[n])
#define WAIT(n, name)                                                                              \
    static BELOW_PROGRAM long name##_##n(long a)                                                   \
    {                                                                                              \
        return wait_for_threads(R(n), OPENMP_##name, a);                                           \
    }
#define UNNAMED(n, name, end, word)                                                                \
    static void name##_##n(void)                                                                   \
    {                                                                                              \
        take_unnamed(R(n), OPENMP_##name, &R(n)->word);                                            \
    }                                                                                              \
    static void end##_##n(void)                                                                    \
    {                                                                                              \
        release_unnamed(R(n), OPENMP_##end, &R(n)->word);                                          \
    }
#define NAMED(n, name, end, none)                                                                  \
    static void name##_##n(void **word)                                                            \
    {                                                                                              \
        take_named(R(n), OPENMP_##name, word);                                                     \
    }                                                                                              \
    static void end##_##n(void **word)                                                             \
    {                                                                                              \
        release_lock(R(n), OPENMP_##end, (void *)word);                                            \
    }
#define LOCK(n, name, end, test)                                                                   \
    static void name##_##n(void *lock)                                                             \
    {                                                                                              \
        take_lock_tried(R(n), OPENMP_##name, OPENMP_##test, lock);                                 \
    }                                                                                              \
    static void end##_##n(void *lock)                                                              \
    {                                                                                              \
        release_lock(R(n), OPENMP_##end, lock);                                                    \
    }
#define NEST_LOCK(n, name, end, test)                                                              \
    static void name##_##n(void *lock)                                                             \
    {                                                                                              \
        take_lock_tried(R(n), OPENMP_##name, OPENMP_##test, lock);                                 \
    }                                                                                              \
    static void end##_##n(void *lock)                                                              \
    {                                                                                              \
        release_nested(R(n), OPENMP_##end, OPENMP_##test, lock);                                   \
    }
#define REGION(n, name)                                                                            \
    static BELOW_PROGRAM long name##_##n(openmp_body *body, void *arg, long a, long b, long c,     \
                                         long d, long e, long f)                                   \
    {                                                                                              \
        return openmp_region(R(n), OPENMP_##name, body, arg, a, b, c, d, e, f);                    \
    }
#define TASK(n, name)                                                                              \
    static BELOW_PROGRAM long name##_##n(openmp_body *body, long a, long b, long c, long d,        \
                                         long e, long f, long g, long h, long i, long j)           \
    {                                                                                              \
        openmp_task_start *real = (openmp_task_start *)R(n)->real[OPENMP_##name];                  \
        return real(openmp_task_body(body), a, b, c, d, e, f, g, h, i, j);                         \
    }

#define ALL(n)                                                                                     \
    OPENMP_WAITS(WAIT, n)                                                                          \
    OPENMP_UNNAMED(UNNAMED, n)                                                                     \
    OPENMP_NAMED(NAMED, n)                                                                         \
    OPENMP_LOCKS(LOCK, n)                                                                          \
    OPENMP_NEST_LOCKS(NEST_LOCK, n)                                                                \
    OPENMP_REGIONS(REGION, n)                                                                      \
    OPENMP_TASKS(TASK, n)
ALL(0)
ALL(1)
ALL(2)

#define ENTRY(n, name) [OPENMP_##name] = (void *)name##_##n,
#define ENTRIES(n, name, end, more) ENTRY(n, name) ENTRY(n, end)
#define ALL_ENTRIES(n)                                                                             \
    {                                                                                              \
        OPENMP_WAITS(ENTRY, n)                                                                     \
        OPENMP_UNNAMED(ENTRIES, n)                                                                 \
        OPENMP_NAMED(ENTRIES, n)                                                                   \
        OPENMP_LOCKS(ENTRIES, n)                                                                   \
        OPENMP_NEST_LOCKS(ENTRIES, n)                                                              \
        OPENMP_REGIONS(ENTRY, n)                                                                   \
        OPENMP_TASKS(ENTRY, n)                                                                     \
    }
void *const openmp_hooks[OPENMP_RUNTIMES][OPENMP_IDS] = {ALL_ENTRIES(0), ALL_ENTRIES(1),
                                                         ALL_ENTRIES(2)};
