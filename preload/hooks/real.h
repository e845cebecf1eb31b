/* SPDX-License-Identifier: MIT
 *
 * The functions that we stand in front of, as they are without us: for each row of interposed.h the
 * next definition in the order of look-ups. Hooks call through these pointers without asking
 * whether they are ready: until they are, each one points at a stub that looks all of its group up.
 *
 * The groups are apart because they are looked up at different times: malloc is called by the
 * dynamic linker before any constructor, and the functions that wait are never looked up in most
 * processes that live for a millisecond.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include "collectors/base/abi.h"
#include "preload/hooks/interposed.h"

#define REAL_FIELD(field, symbol, version) __typeof__(symbol) *field;

/* The pointers of the hot paths: one cache line. */
struct real_alloc {
    INTERPOSED_ALLOC(REAL_FIELD)
};
extern HIDDEN struct real_alloc real_alloc;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt() */
struct real_other {
    INTERPOSED_OTHER(REAL_FIELD, REAL_FIELD, REAL_FIELD)
};
#pragma GCC diagnostic pop
extern HIDDEN struct real_other real_other;

struct real_waits {
    INTERPOSED_WAITS(REAL_FIELD, REAL_FIELD)
};
extern HIDDEN struct real_waits real_waits;

struct real_sleeps {
    INTERPOSED_SLEEPS(REAL_FIELD)
};
extern HIDDEN struct real_sleeps real_sleeps;

struct real_rights {
    INTERPOSED_RIGHTS(REAL_FIELD)
};
extern HIDDEN struct real_rights real_rights;

/* libc's syscall(), which is called from the assembly of hook_futex.c and with its arguments as
 * they came; looked up with real_waits. */
extern HIDDEN void (*real_syscall)(void);

/* The definitions that stand in front of ours: a program that has an allocator of its own, or one
 * that was preloaded before us. NULL: ours is the first. libc's own reallocarray(), and a C++
 * runtime's operators, call the first definition; so must those functions of ours that a program
 * finds because its allocator lacks them. */
#define INTERPOSED_BEFORE(FIELD)                                                                   \
    FIELD(malloc)                                                                                  \
    FIELD(free)                                                                                    \
    FIELD(realloc)                                                                                 \
    FIELD(memalign)                                                                                \
    FIELD(malloc_usable_size)                                                                      \
    FIELD(sigaction)
#define BEFORE_FIELD(symbol) __typeof__(symbol) *symbol;
struct real_before {
    INTERPOSED_BEFORE(BEFORE_FIELD)
};
extern HIDDEN struct real_before real_before;

/* Looks real_alloc, real_before and real_other up, once. By the constructor, or by the first call
 * of any of their functions before it. */
void real_start(void);

/* Looks real_waits, real_sleeps and real_syscall up, once. By the constructor, by the first call of
 * any of their functions, and in any case before there is a second thread: the look-up takes the
 * dynamic linker's lock, and the thread that holds it may be waiting for a lock that this thread
 * holds. */
void real_waits_start(void);

/* Looks real_rights up, without the dynamic linker's lock if that is possible. */
void real_rights_start(void);

/* ---- real_alloc.c: allocations that the look-up itself makes ---- */

/* This thread is inside real_start(): what it allocates comes from memory of ours. */
extern HIDDEN THREAD_LOCAL bool real_resolving;

/* Whether a block is of that memory, which is never freed, and how large it is. */
bool real_is_bootstrap(const void *p);
size_t real_bootstrap_size(const void *p);

/* [*lo, *hi) of the object that the real malloc is in; false: that is libc, or unknown. */
bool real_allocator_extent(uintptr_t *lo, uintptr_t *hi);

#endif
