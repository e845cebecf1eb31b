/* SPDX-License-Identifier: MIT
 *
 * The whole contract with the C library and its dynamic linker, beyond what the standards say:
 * which object lies at an address, what a lock's memory means, which version of a function is
 * meant. Another C library is one more file beside glibc.h, chosen at the end of this one, and
 * others beside glibc_*.c. Nothing outside this folder names a C library's internals.
 *
 * Everything marked SIGNAL_SAFE takes no lock, allocates nothing, and needs no thread block. The
 * look-ups of symbols say for themselves what they may do.
 */
#ifndef BASE_LIBC_H
#define BASE_LIBC_H

#include "collectors/base/abi.h"

#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

/* ---- loaded objects ---- */

struct libc_object {
    uintptr_t lo, hi;     /* of the segment, or run of segments without a hole, at the address */
    uintptr_t frame_info; /* its .eh_frame_hdr; 0 = none */
    const void *handle;   /* the dynamic linker's own record of it; only for the functions below */
};

/* The loaded object at an address; the vDSO and the program itself are objects too. False: none is
 * there, or the dynamic linker is too old to be asked without its lock (glibc before 2.35). The
 * handle is valid as long as the object stays loaded. */
SIGNAL_SAFE bool libc_object_find(struct libc_object *object, uintptr_t address);

/* What to add to the addresses in the object's file to get those in memory. */
SIGNAL_SAFE uintptr_t libc_object_bias(const struct libc_object *object);

/* Whether the object is the main program. */
SIGNAL_SAFE bool libc_object_is_program(const struct libc_object *object);

/* Whether the object is the C library. */
bool libc_object_is_libc(const struct libc_object *object);

/* ---- symbols: by the dynamic linker, which takes its lock and may allocate where it fails ---- */

/* The next definition of a name behind this library's, by its default version; NULL: there is none.
 * Where it fails, the text that the program's next dlerror() would return stays behind. */
void *libc_next(const char *name);

/* The same, but the program's dlerror() does not tell of the failure. */
void *libc_next_quiet(const char *name);

/* The next definition of a name with that version, or NULL; as quiet. version: one of
 * LIBC_VERSION_* below. */
void *libc_next_version(const char *name, const char *version);

/* The next definition of a name, be it the default one or one that only references with the given
 * version see: whichever comes first in the order of look-ups. libc itself must define the name
 * with that version, because a look-up that fails would allocate. */
void *libc_next_of_either(const char *name, const char *version);

/* Whether the program's own references to a name are bound to this library. */
bool libc_binds_to_us(const char *name);

/* The file that this library was loaded from, as the dynamic linker was told it: it may be relative
 * to the folder in which the program started. NULL: not known. */
const char *libc_own_path(void);

/* The definition of a name that the program's own references are bound to, where it is not `ours`,
 * which is this library's; NULL: it is. */
void *libc_before_us(const char *name, const void *ours);

/* [*lo, *hi) of the function that starts at p, as its symbol says; false: unknown. */
bool libc_function_extent(const void *p, uintptr_t *lo, uintptr_t *hi);

/* ---- symbols: past the dynamic linker, without its lock; dlerror() stays as it is ---- */

/* The definition of a function that code at `caller` would see if this library were not there;
 * NULL: there is none, or libc_object_find() finds nothing. Any thread, under any lock. */
void *libc_find_from(const void *caller, const char *name);

/* The default definition of a function in the objects that were loaded after this library; NULL as
 * above. Any thread, under any lock, also in a vfork child. */
void *libc_find_after_us(const char *name);

/* ---- calls of a library whose names must not be defined here (glibc_imports.c) ----
 *
 * By the dynamic linker, under its lock, but without an allocation. iterate: dl_iterate_phdr(). */

typedef int libc_iterate(int (*f)(struct dl_phdr_info *, size_t, void *), void *arg);

struct libc_library {
    uintptr_t bias; /* what to add to the addresses in its file to get those in memory */
    const void *dynamic;
};

/* The loaded libraries that define the one name, but not the other one: at most `most`; how many.
 */
size_t libc_libraries(libc_iterate *iterate, const char *has, const char *lacks,
                      struct libc_library *found, size_t most);

/* The library's function of that name, by its default version; NULL: it has none. */
void *libc_library_function(const struct libc_library *library, const char *name);

/* Whether the object that the code at `caller` belongs to defines the name. Takes no lock. */
bool libc_library_calls(const void *caller, const char *name);

/* A number that is another one when objects have been loaded or closed. */
uint64_t libc_objects_changed(libc_iterate *iterate);

struct libc_import {
    const char *name;
    void *real;     /* the library's function; NULL: it has none, and nothing is done */
    void *ours;     /* what is to be called instead */
    bool elsewhere; /* set: another object's definition of the name comes first */
};

/* Directs the calls that loaded objects make of the library's functions to ours, but not those of
 * an older version of a function. What the program gets when it takes a function's address, or asks
 * for the name, is the library's own function, as before. */
void libc_imports_turn(libc_iterate *iterate, const struct libc_library *library,
                       const char *old_version, struct libc_import *imports, size_t n);

/* ---- symbols: changed ---- */

/* A look-up that would find the function `from` under this name is to find `to`. */
struct libc_rebinding {
    const char *name;
    const void *from; /* NULL: whatever the object has under that name */
    const void *to;
};

/* Changes look-ups by the dynamic linker from now on, for the names of one object: the one in which
 * the first row's `from` lies. Names that it has not, or has with another address, stay. 0, or the
 * negative errno that says why nothing was changed. Only where the program could call dlopen(), by
 * one thread at a time. */
MUST_CHECK int libc_rebind(const struct libc_rebinding *rows, size_t n);

/* The name of the object's file, without folders; "": not known. */
const char *libc_object_name(const struct libc_object *object);

/* ---- the objects that threads wait for ----
 *
 * Read while other threads change them: each answer was true at some moment of the call. */

/* No thread holds the mutex. */
static inline bool libc_mutex_is_free(const pthread_mutex_t *m);

/* A trylock of the mutex would return EBUSY. False also where its memory does not tell: for a
 * recursive mutex, for one. */
static inline bool libc_mutex_is_busy(const pthread_mutex_t *m);

/* Of a mutex that the calling thread holds. False: no thread sleeps in the kernel for it. */
static inline bool libc_mutex_may_be_slept_for(const pthread_mutex_t *m);

/* The same, and for robust and priority-inheriting mutexes too. Also true where the holder has
 * slept for the mutex itself, or came out of a condition wait, and no thread does now. */
static inline bool libc_mutex_is_slept_for(const pthread_mutex_t *m);

/* Of a mutex that the calling thread holds: would an unlock release it? Not where a recursive mutex
 * was locked more than once. */
static inline bool libc_mutex_unlock_releases(const pthread_mutex_t *m);

/* How many threads hold the read-write lock: its one writer, or so many readers. */
static inline uint32_t libc_rwlock_holders(const pthread_rwlock_t *l);

/* The semaphore's count is above zero. */
static inline bool libc_sem_is_free(const sem_t *s);

/* How many waits for the condition have begun since it was made; each counts itself before it
 * releases its mutex. */
static inline uint64_t libc_cond_begun(const pthread_cond_t *c);

/* How many threads are inside a wait for the condition. */
static inline uint32_t libc_cond_inside(const pthread_cond_t *c);

/* The routine has run, and what it wrote is seen. False also where it may have run. */
static inline bool libc_once_is_done(const pthread_once_t *control);

/* C11's objects are the same as POSIX's, behind other types. */
static inline const pthread_mutex_t *libc_mutex_of(const mtx_t *m);
static inline const pthread_cond_t *libc_cond_of(const cnd_t *c);
static inline const pthread_once_t *libc_once_of(const once_flag *flag);

/* ---- the process and its threads ---- */

/* Has the constructor of libc run? It sets `environ`, among other things that no other part of libc
 * needs. */
static inline bool libc_has_environment(void);

/* False: there may be a second thread. */
static inline bool libc_is_single_threaded(void);

/* The upper end of the calling thread's stack, if pthread_create or thrd_create made the thread and
 * its stack: an address in libc's own part above it. */
static inline uintptr_t libc_thread_stack_top(void);

/* The same of another thread. */
static inline uintptr_t libc_thread_stack_top_of(pthread_t thread);

/* Constants:
 *
 * LIBC_SIGNAL_CANCEL          The signal that libc keeps to itself for cancelling threads. Its
 *                             sigfillset() leaves the signal out, its calls take it out of every
 *                             mask that the program sets and refuse a handler for it; it is the
 *                             kernel's first real-time signal. libc acts only on one that came by
 *                             tgkill from its own process. A thread of libc's own that serves
 *                             timers blocks the signal and waits for it;
 * LIBC_SIGNAL_SETXID          the one by which it changes the credentials of all threads, kept in
 *                             the same way; no thread of libc's blocks it for long.
 * LIBC_KEYS_NEAR              Keys of thread-specific data below this number need no allocation
 * when they are set. LIBC_VERSION_HEAP           The version under which libc defines malloc and
 * its kin, LIBC_VERSION_ALIGNED_ALLOC  aligned_alloc(), LIBC_VERSION_CONDITION      and the
 * condition variables that <pthread.h> declares; "" = none. */

#include "collectors/base/libc/glibc.h"

#endif
