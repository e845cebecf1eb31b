/* SPDX-License-Identifier: MIT
 *
 * Go's runtime/pprof for a program that runs under libpprofinject.so. Copy this file into the
 * program. There is no library to link with; the program may be PIE or not, static or not, C (C89
 * and later) or C++, compiled with gcc or clang.
 *
 * Where the library is not loaded, int and long results are -ENOSYS, counts are 0, pointers are
 * NULL with errno ENOSYS, and pprof_do() still calls its function, with NULL. With
 * -DPPROFINJECT_DISABLE the same is compiled in, and the library is not looked for.
 *
 * An int result is 0 or a negative errno. A NULL result sets errno. NULL or invalid arguments give
 * -EINVAL (or NULL and EINVAL), never a crash. Every call may be made from any thread.
 */
#ifndef PPROFINJECT_H
#define PPROFINJECT_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#elif defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc99-extensions" /* bool */
#endif

typedef struct pprof_profile pprof_profile;   /* a profile; never freed */
typedef struct pprof_labelset pprof_labelset; /* some labels, on their way into a context */
typedef struct pprof_ctx pprof_ctx;           /* the labels that a piece of work carries */

/* What the library exports as pprofinject_api_v1: what the functions below call. Later versions of
 * the library add members at the end, so a program that was compiled with an older header works. */
struct pprofinject_api {
    size_t size;       /* of this structure, as the library knows it */
    const int *active; /* 0: every call is to answer as if the library were not loaded */
    int (*start_cpu_profile)(int fd);
    int (*stop_cpu_profile)(void);
    int (*write_heap_profile)(int fd);
    pprof_profile *(*new_profile)(const char *name);
    pprof_profile *(*lookup)(const char *name);
    size_t (*profiles)(pprof_profile **out, size_t cap);
    int (*profile_add)(pprof_profile *p, const void *key, int skip);
    int (*profile_remove)(pprof_profile *p, const void *key);
    long (*profile_count)(pprof_profile *p);
    const char *(*profile_name)(pprof_profile *p);
    int (*profile_write_to)(pprof_profile *p, int fd, int debug);
    pprof_labelset *(*labels)(const char *key, va_list more);
    void (*labelset_free)(pprof_labelset *set);
    pprof_ctx *(*with_labels)(const pprof_ctx *ctx, pprof_labelset *set);
    void (*ctx_free)(pprof_ctx *ctx);
    const char *(*label)(const pprof_ctx *ctx, const char *key);
    void (*for_labels)(const pprof_ctx *ctx, bool (*f)(void *arg, const char *k, const char *v),
                       void *arg);
    void (*set_thread_labels)(const pprof_ctx *ctx);
    /* pprof_do() in C, whose unwind information restores the labels; and its two halves for C++. */
    void (*do_call)(const pprof_ctx *ctx, pprof_labelset *set, void (*f)(pprof_ctx *, void *),
                    void *arg);
    pprof_ctx *(*do_begin)(const pprof_ctx *ctx, pprof_labelset *set);
    void (*do_end)(const pprof_ctx *ctx, pprof_ctx *merged);
    long (*set_mem_profile_rate)(long rate);
    long (*set_block_profile_rate)(long rate);
    long (*set_mutex_profile_fraction)(long rate);
    long (*set_cpu_profile_rate)(long rate);
    int (*dump)(void);
};

/* Inlined into the line that calls it; "artificial" tells debuggers and profilers not to show it as
 * a function of its own. */
#define PPROF_INLINE static __inline__ __attribute__((always_inline, artificial, unused))

#ifdef PPROFINJECT_DISABLE

PPROF_INLINE const struct pprofinject_api *pprofinject_api_find(void)
{
    return NULL;
}

#else

/* dlsym, or NULL in a program without it (a static one): a weak reference makes the linker look for
 * no library. */
static void *pprofinject_dlsym(void *handle, const char *name) __attribute__((weakref("dlsym")));

PPROF_INLINE const struct pprofinject_api *pprofinject_api_find(void)
{
    static const void *table; /* NULL: not looked for yet; &table: the library is not there */
    const void *found = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    const struct pprofinject_api *api;
    if (__builtin_expect(!found, 0)) {
        int saved = errno;
        found = pprofinject_dlsym ? pprofinject_dlsym(NULL, "pprofinject_api_v1") : NULL;
        errno = saved;
        found = found ? found : (const void *)&table;
        __atomic_store_n(&table, found, __ATOMIC_RELEASE);
    }
    api = (const struct pprofinject_api *)found;
    return found != (const void *)&table && *api->active ? api : NULL;
}

#endif

#define PPROF_CALL(call, otherwise)                                                                \
    const struct pprofinject_api *api = pprofinject_api_find();                                    \
    return api ? api->call : (otherwise)
/* For calls that take the caller's stack: the empty asm keeps the compiler from making the call a
 * jump, which would take the caller's frame off the stack. */
#define PPROF_CALL_FROM_HERE(call)                                                                 \
    const struct pprofinject_api *api = pprofinject_api_find();                                    \
    int result = api ? api->call : -ENOSYS;                                                        \
    __asm__ __volatile__("" : "+r"(result));                                                       \
    return result
#define PPROF_CALL_POINTER(call)                                                                   \
    const struct pprofinject_api *api = pprofinject_api_find();                                    \
    if (api) {                                                                                     \
        return api->call;                                                                          \
    }                                                                                              \
    errno = ENOSYS;                                                                                \
    return NULL
#define PPROF_CALL_VOID(call)                                                                      \
    const struct pprofinject_api *api = pprofinject_api_find();                                    \
    if (api) {                                                                                     \
        api->call;                                                                                 \
    }

/* Is the library loaded and profiling? */
PPROF_INLINE bool pprof_active(void)
{
    return pprofinject_api_find() != NULL;
}

/* ---- profiles ---- */

/* StartCPUProfile: from now on a CPU profile is taken for fd. The library's own CPU profile, which
 * goes into dumps, runs on beside it. -EBUSY: such a session runs already. */
PPROF_INLINE int pprof_start_cpu_profile(int fd)
{
    PPROF_CALL(start_cpu_profile(fd), -ENOSYS);
}

/* StopCPUProfile: ends the session, writes its profile into the fd that was given at its start, and
 * returns when all is written. 0, also if no session runs; or the first error of a write. */
PPROF_INLINE int pprof_stop_cpu_profile(void)
{
    PPROF_CALL(stop_cpu_profile(), -ENOSYS);
}

/* WriteHeapProfile: the heap profile as gzip'ed protobuf with names. 0, or the first error of a
 * write. */
PPROF_INLINE int pprof_write_heap_profile(int fd)
{
    PPROF_CALL(write_heap_profile(fd), -ENOSYS);
}

/* NewProfile: makes a profile of the program's own. NULL and EINVAL: no name, or an empty one; NULL
 * and EEXIST: there is a profile of that name. */
PPROF_INLINE pprof_profile *pprof_new_profile(const char *name)
{
    PPROF_CALL_POINTER(new_profile(name));
}

/* Lookup: the profile of that name. NULL and ENOENT: there is none. As in Go, "cpu" is not among
 * them. */
PPROF_INLINE pprof_profile *pprof_lookup(const char *name)
{
    PPROF_CALL_POINTER(lookup(name));
}

/* Profiles: puts the first `cap` profiles, sorted by name, into out (which may be NULL). Returns
 * how many there are, which may be more than cap. */
PPROF_INLINE size_t pprof_profiles(pprof_profile **out, size_t cap)
{
    PPROF_CALL(profiles(out, cap), 0);
}

/* Add: enters key into a profile of the program's own, with the calling thread's stack. skip: how
 * many frames are left out; 0 = the line of this call is the leaf. Frames are functions that were
 * called: an inlined function is part of the frame that it was inlined into. With a skip larger
 * than the stack, the entry is counted under a frame that says so. -EEXIST: the key is in the
 * profile already. -EPERM: a predefined profile. */
PPROF_INLINE int pprof_profile_add(pprof_profile *profile, const void *key, int skip)
{
    PPROF_CALL_FROM_HERE(profile_add(profile, key, skip));
}

/* Remove: takes key out of a profile of the program's own. 0, also if it is not in. -EPERM: a
 * predefined profile. */
PPROF_INLINE int pprof_profile_remove(pprof_profile *profile, const void *key)
{
    PPROF_CALL(profile_remove(profile, key), -ENOSYS);
}

/* Count. goroutine: threads that live; threadcreate: threads that were ever made; a profile of the
 * program's own: its entries; all others: the distinct stacks that they hold. */
PPROF_INLINE long pprof_profile_count(pprof_profile *profile)
{
    PPROF_CALL(profile_count(profile), -ENOSYS);
}

/* Name: lives as long as the profile, which is for ever. */
PPROF_INLINE const char *pprof_profile_name(pprof_profile *profile)
{
    PPROF_CALL_POINTER(profile_name(profile));
}

/* WriteTo: writes the profile into fd, with the names of functions, and returns when all is
 * written. debug 0: gzip'ed protobuf; 1: text; 2: goroutine thread by thread as a crash report
 * shows them, the others as with 1. 0, or the first error of a write. */
PPROF_INLINE int pprof_profile_write_to(pprof_profile *profile, int fd, int debug)
{
    PPROF_CALL_FROM_HERE(profile_write_to(profile, fd, debug));
}

/* ---- labels ---- */

/* Labels: makes a set from pairs of key and value, ended by NULL; of equal keys the last one
 * counts. The set belongs to the caller until it is handed to pprof_with_labels() or pprof_do().
 * NULL and EINVAL: a key without a value, or one of them is empty; NULL and ENOMEM. */
__attribute__((unused, sentinel)) static pprof_labelset *pprof_labels(const char *key, ...)
{
    const struct pprofinject_api *api = pprofinject_api_find();
    pprof_labelset *set = NULL;
    va_list more;
    va_start(more, key);
    if (api) {
        set = api->labels(key, more);
    } else {
        errno = ENOSYS;
    }
    va_end(more);
    return set;
}

/* Frees a set that was not handed to pprof_with_labels() or pprof_do(). */
PPROF_INLINE void pprof_labelset_free(pprof_labelset *set){PPROF_CALL_VOID(labelset_free(set))}

/* WithLabels: a new context with the labels of ctx (NULL: none) and those of the set, which win.
 * The set is freed, also if this fails. The context is to be freed by pprof_ctx_free(). */
PPROF_INLINE pprof_ctx *pprof_with_labels(const pprof_ctx *ctx, pprof_labelset *set)
{
    PPROF_CALL_POINTER(with_labels(ctx, set));
}

/* Frees a context. Threads may still carry it: they hold references of their own. */
PPROF_INLINE void pprof_ctx_free(pprof_ctx *ctx){PPROF_CALL_VOID(ctx_free(ctx))}

/* Label: the value of a key, which lives as long as ctx. NULL and ENOENT: ctx has no such key. */
PPROF_INLINE const char *pprof_label(const pprof_ctx *ctx, const char *key)
{
    PPROF_CALL_POINTER(label(ctx, key));
}

/* ForLabels: calls f for each label, sorted by key, until f returns false. */
PPROF_INLINE void pprof_for_labels(const pprof_ctx *ctx,
                                   bool (*f)(void *arg, const char *k, const char *v),
                                   void *arg){PPROF_CALL_VOID(for_labels(ctx, f, arg))}

/* SetGoroutineLabels: the calling thread's samples carry the labels of ctx from now on. NULL: none.
 */
PPROF_INLINE void pprof_set_thread_labels(const pprof_ctx *ctx)
{
    PPROF_CALL_VOID(set_thread_labels(ctx))
}

#ifdef __cplusplus
/* Puts the thread's labels back at the end of the scope, also if an exception leaves it. */
struct pprof_do_guard {
    const struct pprofinject_api *api;
    const pprof_ctx *before;
    pprof_ctx *merged;
    ~pprof_do_guard()
    {
        api->do_end(before, merged);
    }
};
#endif

/* Do: calls f(merged, arg), where merged is a context with the labels of ctx and of the set; it
 * belongs to pprof_do() and is freed at its end. While f runs, the thread carries merged;
 * afterwards it carries ctx, as in Go, also if f is left by an exception, pthread_exit() or
 * cancellation. The set is freed. */
PPROF_INLINE void pprof_do(const pprof_ctx *ctx, pprof_labelset *set,
                           void (*f)(pprof_ctx *, void *), void *arg)
{
    const struct pprofinject_api *api = pprofinject_api_find();
    if (!api) {
        if (f) {
            f(NULL, arg);
        }
        return;
    }
#ifdef __cplusplus
    pprof_do_guard guard = {api, ctx, api->do_begin(ctx, set)};
    if (f) {
        f(guard.merged, arg);
    }
#else
    api->do_call(ctx, set, f, arg);
    __asm__ __volatile__("");
#endif
}

/* ---- rates: each call returns the rate before it, and a negative rate changes nothing ---- */

/* Mean bytes between heap samples; 1 = every allocation, 0 = off. */
PPROF_INLINE long pprof_set_mem_profile_rate(long rate)
{
    PPROF_CALL(set_mem_profile_rate(rate), -ENOSYS);
}

/* One sample for that many nanoseconds that threads were blocked; 1 = every wait, 0 = off. */
PPROF_INLINE long pprof_set_block_profile_rate(long rate)
{
    PPROF_CALL(set_block_profile_rate(rate), -ENOSYS);
}

/* One in so many contended releases of a lock is sampled; 1 = all, 0 = off. */
PPROF_INLINE long pprof_set_mutex_profile_fraction(long rate)
{
    PPROF_CALL(set_mutex_profile_fraction(rate), -ENOSYS);
}

/* Samples per second of each thread's CPU time; 0 = off. */
PPROF_INLINE long pprof_set_cpu_profile_rate(long rate)
{
    PPROF_CALL(set_cpu_profile_rate(rate), -ENOSYS);
}

/* Writes a set of files with all profiles, as the dump signal does. Returns when the files are
 * complete but for the names of functions, which are put in afterwards. 0 or the first error. */
PPROF_INLINE int pprof_dump(void)
{
    PPROF_CALL_FROM_HERE(dump());
}

#undef PPROF_CALL
#undef PPROF_CALL_FROM_HERE
#undef PPROF_CALL_POINTER
#undef PPROF_CALL_VOID

#ifdef __cplusplus
}
#elif defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif
