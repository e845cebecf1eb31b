/* SPDX-License-Identifier: MIT
 *
 * The C++ allocation operators. Each calls its own next definition, because a program may replace
 * only some of them. Most definitions call malloc, where the allocation is sampled; those of
 * allocators that define the operators themselves (jemalloc, tcmalloc, mimalloc) do not, and then
 * it is sampled here. The first call of each operator finds out which it is: it makes the next
 * malloc of its thread take the slow path (self.probe_armed), and sees afterwards whether that
 * happened.
 *
 * All operators new take (size[, alignment][, nothrow]) and all operators delete (pointer[, size]
 * [, alignment][, nothrow]): after the first argument up to two more integers in registers, which
 * are passed on as they are. An exception may pass through the frames of these functions, so they
 * must have nothing to undo after a real operator new.
 *
 * Any thread; a thread may hold any lock of the program's.
 */
#include "collectors/base/libc/libc.h"
#include "collectors/heap/heap.h"
#include "collectors/stacks/stack.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <stdlib.h>

typedef void *new_function(size_t n, uintptr_t a, uintptr_t b);
typedef void delete_function(void *p, uintptr_t a, uintptr_t b);

enum mode { UNKNOWN, FORWARD, SAMPLE };

struct variant {
    new_function *next;
    uint32_t mode;   /* enum mode */
    bool found_late; /* not by the constructor: its library may be unloaded */
    const char *name;
};

#define PLACE(symbol) AT_##symbol,
enum { INTERPOSED_NEW(PLACE, PLACE, PLACE) };

#define UNRESOLVED(symbol) [AT_##symbol] = {.name = #symbol},
static struct variant news[] = {INTERPOSED_NEW(UNRESOLVED, UNRESOLVED, UNRESOLVED)};

static COLD void *new_slow(struct variant *v, size_t n, uintptr_t a, uintptr_t b,
                           const void *caller);

static inline __attribute__((always_inline)) void *new_through(struct variant *v, size_t n,
                                                               uintptr_t a, uintptr_t b)
{
    if (LIKELY(LOAD(&v->mode) == FORWARD)) {
        return v->next(n, a, b);
    }
    return new_slow(v, n, a, b, __builtin_return_address(0));
}

/* Where no next definition is found (a C++ runtime that is linked statically into a plugin exports
 * none, for example), malloc takes the place of operator new: as in the runtime's own, the one that
 * the program calls. */
static void *new_missing(size_t n, uintptr_t a, uintptr_t b)
{
    (void)a, (void)b;
    n = n ? n : 1;
    return real_before.malloc ? real_before.malloc(n) : malloc(n);
}

static void variant_resolve(struct variant *v, void *p)
{
    uintptr_t lo;
    uintptr_t hi;
    if (p && libc_function_extent(p, &lo, &hi)) {
        stack_hide(lo, hi); /* its frame is left out where a stack begins */
    }
    new_function *next = p ? (new_function *)p : new_missing;
    __atomic_store_n(&v->next, next, __ATOMIC_RELEASE);
}

static void *new_first(struct variant *v, size_t n, uintptr_t a, uintptr_t b, const void *caller)
{
    if (!__atomic_load_n(&v->next, __ATOMIC_ACQUIRE)) {
        variant_resolve(v, libc_find_from(caller, v->name));
        v->found_late = true;
    }
    if (self.probe_armed) { /* this is called by another operator, at its first call */
        return v->next(n, a, b);
    }
    self.probe_left = self.heap_left;
    self.heap_left = 0;
    self.probe_hit = false;
    self.probe_armed = true;
    void *p = v->next(n, a, b);
    if (self.probe_armed) { /* malloc was not called */
        self.probe_armed = false;
        self.heap_left = self.probe_left;
    }
    if (!p) {
        return NULL;
    }
    STORE_RELEASE(&v->mode, self.probe_hit ? FORWARD : SAMPLE);
    if (!self.probe_hit && heap_countdown(n) && heap_wants(n)) {
        heap_allocated(p, n);
    }
    return p;
}

static COLD void *new_slow(struct variant *v, size_t n, uintptr_t a, uintptr_t b,
                           const void *caller)
{
    if (LOAD_ACQUIRE(&v->mode) == UNKNOWN) {
        return new_first(v, n, a, b, caller);
    }
    if (!heap_countdown(n) || !heap_wants(n)) {
        return v->next(n, a, b);
    }
    void *p = v->next(n, a, b);
    if (p) {
        heap_allocated(p, n);
    }
    return p;
}

/* ---- delete: the object may have been recorded by any operator new, or by malloc ---- */

struct destroyer {
    delete_function *next;
    bool found_late;
    const char *name;
};

enum { INTERPOSED_DELETE(PLACE, PLACE, PLACE) };
static struct destroyer deletes[] = {INTERPOSED_DELETE(UNRESOLVED, UNRESOLVED, UNRESOLVED)};

static void delete_missing(void *p, uintptr_t a, uintptr_t b)
{
    (void)a, (void)b;
    if (real_before.free) {
        real_before.free(p);
    } else {
        free(p);
    }
}

static COLD void delete_slow(struct destroyer *d, void *p, uintptr_t a, uintptr_t b,
                             const void *caller)
{
    struct live_object object;
    if (!__atomic_load_n(&d->next, __ATOMIC_ACQUIRE)) {
        void *next = libc_find_from(caller, d->name);
        d->found_late = true;
        __atomic_store_n(&d->next, next ? (delete_function *)next : delete_missing,
                         __ATOMIC_RELEASE);
    }
    if (real_is_bootstrap(p)) {
        return;
    }
    if (!live_maybe(p) || !heap_freed(p, &object)) {
        d->next(p, a, b);
        return;
    }
    heap_enter();
    d->next(p, a, b);
    heap_leave();
    heap_free_ends(&object);
}

static inline __attribute__((always_inline)) void delete_through(struct destroyer *d, void *p,
                                                                 uintptr_t a, uintptr_t b)
{
    if (UNLIKELY(!d->next || live_maybe(p))) {
        return delete_slow(d, p, a, b, __builtin_return_address(0));
    }
    d->next(p, a, b);
}

/* std::terminate(), which every C++ runtime defines; NULL where no runtime is loaded. The dynamic
 * linker looks it up when it loads us, which costs a fraction of a dlsym() that fails. */
extern void terminate_of_runtime(void) LINKED_AS("_ZSt9terminatev") __attribute__((weak));

/* Called by the constructor. Where a C++ runtime is loaded with the program, the operators are
 * looked up now, and not at their first use, when the thread may hold a lock of the program's. */
void hook_cxx_start(void)
{
    if (!terminate_of_runtime) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(news); i++) {
        variant_resolve(
            &news[i],
            libc_next_quiet(news[i].name)); /* never unloaded: it was loaded with the program */
    }
    for (size_t i = 0; i < ARRAY_LEN(deletes); i++) {
        void *next = libc_next_quiet(deletes[i].name);
        deletes[i].next = next ? (delete_function *)next : delete_missing;
    }
}

/* After a dlclose: the operators that were found in a library that may have been unloaded are
 * looked up again at their next use. */
void hook_cxx_forget(void)
{
    for (size_t i = 0; i < ARRAY_LEN(news); i++) {
        if (news[i].found_late) {
            STORE(&news[i].mode, UNKNOWN);
            __atomic_store_n(&news[i].next, NULL, __ATOMIC_RELEASE);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(deletes); i++) {
        if (deletes[i].found_late) {
            __atomic_store_n(&deletes[i].next, NULL, __ATOMIC_RELEASE);
        }
    }
}

/* ---- the operators, under their mangled names: those of each row take so many arguments ---- */

#define NEW0(symbol)                                                                               \
    EXPORT void *symbol(size_t n);                                                                 \
    void *symbol(size_t n)                                                                         \
    {                                                                                              \
        return new_through(&news[AT_##symbol], n, 0, 0);                                           \
    }
#define NEW1(symbol)                                                                               \
    EXPORT void *symbol(size_t n, uintptr_t a);                                                    \
    void *symbol(size_t n, uintptr_t a)                                                            \
    {                                                                                              \
        return new_through(&news[AT_##symbol], n, a, 0);                                           \
    }
#define NEW2(symbol)                                                                               \
    EXPORT void *symbol(size_t n, uintptr_t a, uintptr_t b);                                       \
    void *symbol(size_t n, uintptr_t a, uintptr_t b)                                               \
    {                                                                                              \
        return new_through(&news[AT_##symbol], n, a, b);                                           \
    }
INTERPOSED_NEW(NEW0, NEW1, NEW2)

#define DELETE0(symbol)                                                                            \
    EXPORT void symbol(void *p);                                                                   \
    void symbol(void *p)                                                                           \
    {                                                                                              \
        delete_through(&deletes[AT_##symbol], p, 0, 0);                                            \
    }
#define DELETE1(symbol)                                                                            \
    EXPORT void symbol(void *p, uintptr_t a);                                                      \
    void symbol(void *p, uintptr_t a)                                                              \
    {                                                                                              \
        delete_through(&deletes[AT_##symbol], p, a, 0);                                            \
    }
#define DELETE2(symbol)                                                                            \
    EXPORT void symbol(void *p, uintptr_t a, uintptr_t b);                                         \
    void symbol(void *p, uintptr_t a, uintptr_t b)                                                 \
    {                                                                                              \
        delete_through(&deletes[AT_##symbol], p, a, b);                                            \
    }
INTERPOSED_DELETE(DELETE0, DELETE1, DELETE2)

_Static_assert(ARRAY_LEN(news) + ARRAY_LEN(deletes) == HOOK_CXX_REBINDINGS, "rows");

size_t hook_cxx_rebindings(struct libc_rebinding *rows)
{
    size_t n = 0;
#define REBINDING_NEW(symbol)                                                                      \
    if (news[AT_##symbol].next) {                                                                  \
        rows[n++] = (struct libc_rebinding){#symbol, (const void *)news[AT_##symbol].next,         \
                                            (const void *)symbol};                                 \
    }
#define REBINDING_DELETE(symbol)                                                                   \
    if (deletes[AT_##symbol].next) {                                                               \
        rows[n++] = (struct libc_rebinding){#symbol, (const void *)deletes[AT_##symbol].next,      \
                                            (const void *)symbol};                                 \
    }
    INTERPOSED_NEW(REBINDING_NEW, REBINDING_NEW, REBINDING_NEW)
    INTERPOSED_DELETE(REBINDING_DELETE, REBINDING_DELETE, REBINDING_DELETE)
    return n;
}
