/* SPDX-License-Identifier: MIT
 *
 * Functions that a program, or a library preloaded beside ours, defines in front of libc's. Each
 * counts its calls, and hands them to the next definition, as virtual machines and tracers do. A
 * function that comes back to itself ends the process: without us none does. PASSES chooses the
 * group: SOME_ALLOC defines malloc() and free() alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEEP = 20, NAMES = 64 };
static const char *names[NAMES];
static int counts[NAMES];
static int used;

static int *counter(const char *name)
{
    int i = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
    names[i] = name;
    return &counts[i];
}

static void too_deep(const char *name)
{
    static const char said[] = " came back to itself\n";
    if (write(2, name, __builtin_strlen(name)) < 0 || write(2, said, sizeof said - 1) < 0) {
        /* the status says the same */
    }
    __builtin_trap();
}

#define NEXT(result, name, parameters)                                                             \
    typedef result type parameters;                                                                \
    static type *next;                                                                             \
    static int *count;                                                                             \
    static _Thread_local int depth;                                                                \
    if (!next) {                                                                                   \
        next = (type *)dlsym(RTLD_NEXT, #name);                                                    \
        count = counter(#name);                                                                    \
    }                                                                                              \
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);                                                \
    if (++depth > DEEP) {                                                                          \
        too_deep(#name);                                                                           \
    }

#define PASS(result, name, parameters, ...)                                                        \
    result name parameters                                                                         \
    {                                                                                              \
        NEXT(result, name, parameters)                                                             \
        result r = next(__VA_ARGS__);                                                              \
        depth--;                                                                                   \
        return r;                                                                                  \
    }

PASS(void *, malloc, (size_t n), n)

/* Where a thread's stack is used again, libc frees one NULL for each library that has thread-local
 * memory, as ours has: such calls are not counted. */
void free(void *p)
{
    NEXT(void, free, (void *))
    *count -= p == NULL;
    next(p);
    depth--;
}

#ifndef SOME_ALLOC
PASS(void *, calloc, (size_t n, size_t size), n, size)
PASS(void *, realloc, (void *p, size_t n), p, n)
PASS(void *, reallocarray, (void *p, size_t n, size_t size), p, n, size)
PASS(void *, memalign, (size_t align, size_t n), align, n)
PASS(void *, aligned_alloc, (size_t align, size_t n), align, n)
PASS(int, posix_memalign, (void **p, size_t align, size_t n), p, align, n)
PASS(void *, valloc, (size_t n), n)
PASS(void *, pvalloc, (size_t n), n)
#endif

PASS(int, sigaction, (int sig, const struct sigaction *act, struct sigaction *old), sig, act, old)
PASS(int, __sigaction, (int sig, const struct sigaction *act, struct sigaction *old), sig, act, old)
PASS(__sighandler_t, signal, (int sig, __sighandler_t handler), sig, handler)
PASS(__sighandler_t, __sysv_signal, (int sig, __sighandler_t handler), sig, handler)
PASS(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), how, set, old)
PASS(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), how, set, old)

PASS(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg), thread,
     attr, start, arg)
PASS(int, pthread_join, (pthread_t thread, void **result), thread, result)
PASS(int, pthread_mutex_lock, (pthread_mutex_t * m), m)
PASS(int, pthread_mutex_unlock, (pthread_mutex_t * m), m)
PASS(int, pthread_once, (pthread_once_t * control, void (*f)(void)), control, f)
PASS(int, pthread_key_create, (pthread_key_t * key, void (*f)(void *)), key, f)

PASS(pid_t, fork, (void), )
PASS(int, execve, (const char *path, char *const argv[], char *const env[]), path, argv, env)
PASS(int, execvpe, (const char *file, char *const argv[], char *const env[]), file, argv, env)
PASS(int, execvp, (const char *file, char *const argv[]), file, argv)
PASS(int, execv, (const char *path, char *const argv[]), path, argv)
PASS(int, dlclose, (void *handle), handle)

PASS(void *, memcpy, (void *to, const void *from, size_t n), to, from, n)
PASS(void *, memmove, (void *to, const void *from, size_t n), to, from, n)
PASS(void *, memset, (void *to, int c, size_t n), to, c, n)
PASS(int, memcmp, (const void *a, const void *b, size_t n), a, b, n)
PASS(size_t, strlen, (const char *s), s)
PASS(int, strcmp, (const char *a, const char *b), a, b)
PASS(char *, strchr, (const char *s, int c), s, c)
PASS(char *, strstr, (const char *s, const char *part), s, part)
PASS(char *, getenv, (const char *name), name)
PASS(int, sched_yield, (void), )
PASS(int, sigaddset, (sigset_t * set, int sig), set, sig)
PASS(int, sigemptyset, (sigset_t * set), set)

void _exit(int status)
{
    NEXT(void, _exit, (int))
    next(status);
    __builtin_trap();
}

/* In a stable order: the first calls of two functions may change places. */
static int by_name(const void *a, const void *b)
{
    return __builtin_strcmp(names[*(const int *)a], names[*(const int *)b]);
}

void passes_report(void)
{
    int order[NAMES];
    int n = used;
    int seen[NAMES];
    for (int i = 0; i < n; i++) {
        order[i] = i;
        seen[i] = counts[i];
    }
    qsort(order, n, sizeof *order, by_name);
    for (int i = 0; i < n; i++) {
        printf("%s %d\n", names[order[i]], seen[order[i]]);
    }
    void (*next)(void) = (void (*)(void))dlsym(RTLD_NEXT, "passes_report");
    if (next) {
        next();
    }
}
