/* SPDX-License-Identifier: MIT
 * The floor that our cost is measured against: the least that a sampling interposer can do. malloc
 * counts a thread-local number down and leaves by a tail call; free looks at its pointer once and
 * leaves by a tail call; the calls of locks look at the lock's word once and do the same; nothing
 * is ever recorded. Built and preloaded by scripts/bench-malloc and bench-locks.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define COLD __attribute__((noinline, cold))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { RATE = 512 * 1024 };

static void *first_malloc(size_t size);
static void *first_calloc(size_t n, size_t size);
static void *first_realloc(void *p, size_t size);
static void first_free(void *p);

/* The next functions in line, in one cache line. They begin as stubs that look them up, so that no
 * call asks whether it is the first. */
static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
} next __attribute__((aligned(64))) = {first_malloc, first_calloc, first_realloc, first_free};

static __thread int64_t left __attribute__((tls_model("initial-exec")));

/* No pointer has this value: free's test never holds, as it hardly ever does in a real one. */
static uintptr_t sampled = 1;

/* dlsym may allocate: that comes from here, and is not given back. */
static char boot[64 * 1024] __attribute__((aligned(16)));
static size_t boot_used;
static int looking;

static void *boot_memory(size_t size)
{
    size_t at = boot_used, whole = (size + 15) & ~(size_t)15;
    if (size > sizeof boot || whole > sizeof boot - at)
        return NULL;
    boot_used += whole;
    return boot + at;
}

static COLD void look_up(void)
{
    if (looking)
        return;
    looking = 1;
    void *m = dlsym(RTLD_NEXT, "malloc"), *c = dlsym(RTLD_NEXT, "calloc");
    void *r = dlsym(RTLD_NEXT, "realloc"), *f = dlsym(RTLD_NEXT, "free");
    memcpy(&next.malloc, &m, sizeof m);
    memcpy(&next.calloc, &c, sizeof c);
    memcpy(&next.realloc, &r, sizeof r);
    memcpy(&next.free, &f, sizeof f);
}

static void *first_malloc(size_t size)
{
    look_up();
    return next.malloc == first_malloc ? boot_memory(size) : next.malloc(size);
}

static void *first_calloc(size_t n, size_t size)
{
    look_up();
    return next.calloc == first_calloc ? boot_memory(n * size) : next.calloc(n, size);
}

static void *first_realloc(void *p, size_t size)
{
    look_up();
    return next.realloc == first_realloc ? NULL : next.realloc(p, size);
}

static void first_free(void *p)
{
    look_up();
    if (next.free != first_free)
        next.free(p);
}

__attribute__((constructor)) static void start(void)
{
    look_up();
}

static COLD void *malloc_slow(size_t size)
{
    left = RATE;
    return next.malloc(size);
}

static COLD void *calloc_slow(size_t n, size_t size)
{
    left = RATE;
    return next.calloc(n, size);
}

static COLD void *realloc_slow(void *p, size_t size)
{
    left = RATE;
    return next.realloc(p, size);
}

static COLD void free_slow(void *p)
{
    sampled = 1;
    next.free(p);
}

EXPORT void *malloc(size_t size)
{
    if (UNLIKELY((left -= (int64_t)size) < 0))
        return malloc_slow(size);
    return next.malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
    if (UNLIKELY((left -= (int64_t)(n * size)) < 0))
        return calloc_slow(n, size);
    return next.calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size)
{
    if (UNLIKELY((uintptr_t)p == sampled || (left -= (int64_t)size) < 0))
        return realloc_slow(p, size);
    return next.realloc(p, size);
}

EXPORT void free(void *p)
{
    if (UNLIKELY((uintptr_t)p == sampled))
        free_slow(p);
    else
        next.free(p);
}

/* ---- locks ---- */

static struct {
    int (*mutex_lock)(pthread_mutex_t *);
    int (*mutex_unlock)(pthread_mutex_t *);
    int (*rdlock)(pthread_rwlock_t *);
    int (*wrlock)(pthread_rwlock_t *);
    int (*rwunlock)(pthread_rwlock_t *);
    int (*sem_wait)(sem_t *);
    int (*sem_post)(sem_t *);
} locks __attribute__((aligned(64)));

/* What no lock's word is: the look never finds it. */
static int never = -7;

__attribute__((constructor)) static void look_up_locks(void)
{
    static const char *const names[] = {
        "pthread_mutex_lock",
        "pthread_mutex_unlock",
        "pthread_rwlock_rdlock",
        "pthread_rwlock_wrlock",
        "pthread_rwlock_unlock",
        "sem_wait",
        "sem_post",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *next_one = dlsym(RTLD_NEXT, names[i]);
        memcpy((char *)&locks + i * sizeof next_one, &next_one, sizeof next_one);
    }
}

static COLD int found(int result)
{
    never = -7;
    return result;
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
    return UNLIKELY(m->__data.__lock == never) ? found(0) : locks.mutex_lock(m);
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
{
    return UNLIKELY(m->__data.__lock == never) ? found(0) : locks.mutex_unlock(m);
}

EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    return UNLIKELY((int)l->__data.__readers == never) ? found(0) : locks.rdlock(l);
}

EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    return UNLIKELY((int)l->__data.__readers == never) ? found(0) : locks.wrlock(l);
}

EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    return UNLIKELY((int)l->__data.__readers == never) ? found(0) : locks.rwunlock(l);
}

EXPORT int sem_wait(sem_t *s)
{
    return UNLIKELY(*(volatile int *)s == never) ? found(0) : locks.sem_wait(s);
}

EXPORT int sem_post(sem_t *s)
{
    return UNLIKELY(*(volatile int *)s == never) ? found(0) : locks.sem_post(s);
}
