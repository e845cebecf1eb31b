/* SPDX-License-Identifier: MIT
 *
 * Go's runtime/pprof for a program that runs under libpprofinject.so. Copy this file into the
 * program: it needs no library to link with, PIE or not, static or not, C (C89 and later) or C++,
 * with gcc or clang. Where the library is not loaded, int and long results are -ENOSYS, counts 0,
 * pointers NULL with errno ENOSYS, and pprof_do() still calls its function, with NULL.
 * -DPPROFINJECT_DISABLE gives the same without a look for it.
 *
 * int results are 0 or a negative errno; a NULL result sets errno; NULL or invalid arguments are
 * -EINVAL, never a crash. Every call may be made from any thread.
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

/* What the library exports as pprofinject_api_v1. Later versions add members at the end. */
struct pprofinject_api {
    size_t size; /* of this structure, as the library knows it */
    const int *active;
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

/* Part of the line that calls it, also to who reads the debug information. */
#define PPROF_INLINE static __inline__ __attribute__((always_inline, artificial, unused))

#ifdef PPROFINJECT_DISABLE

PPROF_INLINE const struct pprofinject_api *pprofinject_api_find(void)
{
    return NULL;
}

#else

/* dlsym, if there is one: a reference that asks for nothing to be linked. */
static void *pprofinject_dlsym(void *handle, const char *name) __attribute__((weakref("dlsym")));

PPROF_INLINE const struct pprofinject_api *pprofinject_api_find(void)
{
    static const void *table; /* NULL = not looked for; &table = there is none */
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
/* The caller stays on the stack: no jump in place of the call. */
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

/* Is the library there? */
PPROF_INLINE bool pprof_active(void)
{
    return pprofinject_api_find() != NULL;
}

/* ---- profiles ---- */

/* StartCPUProfile. -EBUSY while such a session runs; the profile that the library takes by itself
 * is none. */
PPROF_INLINE int pprof_start_cpu_profile(int fd)
{
    PPROF_CALL(start_cpu_profile(fd), -ENOSYS);
}

/* StopCPUProfile. fd is written here; returns when all is. 0 when no session runs; the first error
 * of a write. */
PPROF_INLINE int pprof_stop_cpu_profile(void)
{
    PPROF_CALL(stop_cpu_profile(), -ENOSYS);
}

/* WriteHeapProfile. */
PPROF_INLINE int pprof_write_heap_profile(int fd)
{
    PPROF_CALL(write_heap_profile(fd), -ENOSYS);
}

/* NewProfile. EINVAL: no name, EEXIST: it is used. */
PPROF_INLINE pprof_profile *pprof_new_profile(const char *name)
{
    PPROF_CALL_POINTER(new_profile(name));
}

/* Lookup. ENOENT. "cpu" is no Profile. */
PPROF_INLINE pprof_profile *pprof_lookup(const char *name)
{
    PPROF_CALL_POINTER(lookup(name));
}

/* Profiles: how many there are; the first cap of them, by name, in out. */
PPROF_INLINE size_t pprof_profiles(pprof_profile **out, size_t cap)
{
    PPROF_CALL(profiles(out, cap), 0);
}

/* Add. skip 0: the caller's line is the leaf. -EEXIST: the key is in; -EPERM: a predefined profile.
 * A skip beyond the stack still counts. Frames are functions as called: inlined ones are part of
 * the one they are in. */
PPROF_INLINE int pprof_profile_add(pprof_profile *profile, const void *key, int skip)
{
    PPROF_CALL_FROM_HERE(profile_add(profile, key, skip));
}

/* Remove. A key that is not in is 0; -EPERM: a predefined profile. */
PPROF_INLINE int pprof_profile_remove(pprof_profile *profile, const void *key)
{
    PPROF_CALL(profile_remove(profile, key), -ENOSYS);
}

/* Count: live threads of goroutine, threads ever made of threadcreate, entries of the program's own
 * profiles, stacks of the others. */
PPROF_INLINE long pprof_profile_count(pprof_profile *profile)
{
    PPROF_CALL(profile_count(profile), -ENOSYS);
}

/* Name. */
PPROF_INLINE const char *pprof_profile_name(pprof_profile *profile)
{
    PPROF_CALL_POINTER(profile_name(profile));
}

/* WriteTo, with names. debug 0: gzip'ed protobuf; 1: text; 2: goroutine as a crash report, the
 * others as 1. The first error of a write. */
PPROF_INLINE int pprof_profile_write_to(pprof_profile *profile, int fd, int debug)
{
    PPROF_CALL_FROM_HERE(profile_write_to(profile, fd, debug));
}

/* ---- labels ---- */

/* Labels: pairs of key and value, then NULL; of equal keys the last wins. EINVAL: a key without
 * value, an empty one of either. */
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

/* Only for a set that was not handed on. */
PPROF_INLINE void pprof_labelset_free(pprof_labelset *set){PPROF_CALL_VOID(labelset_free(set))}

/* WithLabels. Takes the set, also when it fails. ctx NULL = no labels. */
PPROF_INLINE pprof_ctx *pprof_with_labels(const pprof_ctx *ctx, pprof_labelset *set)
{
    PPROF_CALL_POINTER(with_labels(ctx, set));
}

/* Threads that carry it hold their own reference. */
PPROF_INLINE void pprof_ctx_free(pprof_ctx *ctx){PPROF_CALL_VOID(ctx_free(ctx))}

/* Label. NULL = absent; lives as long as the ctx. */
PPROF_INLINE const char *pprof_label(const pprof_ctx *ctx, const char *key)
{
    PPROF_CALL_POINTER(label(ctx, key));
}

/* ForLabels, by key, until f returns false. */
PPROF_INLINE void pprof_for_labels(const pprof_ctx *ctx,
                                   bool (*f)(void *arg, const char *k, const char *v),
                                   void *arg){PPROF_CALL_VOID(for_labels(ctx, f, arg))}

/* SetGoroutineLabels. NULL clears. */
PPROF_INLINE void pprof_set_thread_labels(const pprof_ctx *ctx)
{
    PPROF_CALL_VOID(set_thread_labels(ctx))
}

#ifdef __cplusplus
/* Restores at the end of the scope, however it is left. */
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

/* Do: f gets the merged ctx, which is pprof_do's; afterwards the thread carries the labels of the
 * ctx that was passed, as in Go; also after an exception, pthread_exit and cancellation. */
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

/* ---- rates: the previous one; a negative one only reads ---- */

/* Mean bytes between heap samples, 1 = every allocation, 0 = off. */
PPROF_INLINE long pprof_set_mem_profile_rate(long rate)
{
    PPROF_CALL(set_mem_profile_rate(rate), -ENOSYS);
}

/* One sample per that many ns blocked, 1 = all, 0 = off. */
PPROF_INLINE long pprof_set_block_profile_rate(long rate)
{
    PPROF_CALL(set_block_profile_rate(rate), -ENOSYS);
}

/* One in so many contentions, 0 = off. */
PPROF_INLINE long pprof_set_mutex_profile_fraction(long rate)
{
    PPROF_CALL(set_mutex_profile_fraction(rate), -ENOSYS);
}

/* Samples per second of each thread's CPU time, 0 = off. */
PPROF_INLINE long pprof_set_cpu_profile_rate(long rate)
{
    PPROF_CALL(set_cpu_profile_rate(rate), -ENOSYS);
}

/* A set of all profiles, as the dump signal makes; returns when the raw files are complete. */
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
