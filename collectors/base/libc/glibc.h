/* SPDX-License-Identifier: MIT
 *
 * The inlined half of libc.h for the GNU C Library, included by that header alone; what each
 * function means is described there. The fields of locks that are read here are part of glibc's
 * ABI: static initialisers put them into programs.
 */
#ifndef BASE_GLIBC_H
#define BASE_GLIBC_H

#include "collectors/base/arch/arch.h"

#include <sys/single_threaded.h>
#include <unistd.h>

/* ---- versions ---- */

/* The version of a symbol that glibc has had since version 2.minor, written out. */
#define GLIBC_SINCE(minor, version)                                                                \
    (ARCH_GLIBC_FIRST_MINOR > (minor) ? "GLIBC_" ARCH_GLIBC_FIRST : "GLIBC_" version)

/* libc_malloc_debug.so defines malloc under this version, hidden from look-ups that name none. */
#define LIBC_VERSION_HEAP "GLIBC_" ARCH_GLIBC_FIRST
#define LIBC_VERSION_ALIGNED_ALLOC GLIBC_SINCE(16, "2.16")
/* On the older architectures the same names meant condition variables of another type before. */
#define LIBC_VERSION_CONDITION GLIBC_SINCE(3, "2.3.2")

enum { LIBC_KEYS_NEAR = 32 }; /* the first block of pointers lies in struct pthread itself */

/* ---- signals: SIGCANCEL, which is also SIGTIMER, and SIGSETXID ---- */

enum { LIBC_SIGNAL_CANCEL = 32, LIBC_SIGNAL_SETXID = 33 };

/* ---- mutexes: __lock is 0 = free, 1 = held, 2 = held, and a thread may sleep for it ---- */

enum {
    GLIBC_MUTEX_KIND = 127,     /* of __kind: what is not a flag */
    GLIBC_MUTEX_TYPE = 3,       /* of it: normal, recursive, error-checking, adaptive */
    GLIBC_MUTEX_ROBUST = 16,    /* robust: __lock holds the owner's tid and the kernel's bits */
    GLIBC_MUTEX_INHERITS = 32,  /* priority-inheriting: the same */
    GLIBC_RWLOCK_WRITING = 2,   /* of __readers: it is a writer's turn */
    GLIBC_RWLOCK_READERS = 3,   /* the shift of the number of readers in __readers */
    GLIBC_CONDITION_SEQ = 1,    /* the shift of the number of waits in __wseq */
    GLIBC_CONDITION_INSIDE = 3, /* the shift of the number of waiters in __wrefs */
    GLIBC_ONCE_DONE = 2,
};

static inline bool libc_mutex_is_free(const pthread_mutex_t *m)
{
    return LOAD(&m->__data.__lock) == 0;
}

static inline bool libc_mutex_is_busy(const pthread_mutex_t *m)
{
    return LOAD(&m->__data.__lock) != 0 &&
           (m->__data.__kind & GLIBC_MUTEX_KIND) == PTHREAD_MUTEX_TIMED_NP;
}

static inline bool libc_mutex_may_be_slept_for(const pthread_mutex_t *m)
{
    return LOAD(&m->__data.__lock) != 1;
}

static inline bool libc_mutex_is_slept_for(const pthread_mutex_t *m)
{
    const uint32_t waiters = 0x80000000;    /* FUTEX_WAITERS */
    const uint32_t below_ceiling = 0x7ffff; /* the upper bits are a priority ceiling, if any */
    uint32_t word = (uint32_t)LOAD(&m->__data.__lock);
    bool by_bit = (m->__data.__kind & (GLIBC_MUTEX_ROBUST | GLIBC_MUTEX_INHERITS)) != 0;
    return by_bit ? (word & waiters) != 0 : (word & below_ceiling) > 1;
}

static inline bool libc_mutex_unlock_releases(const pthread_mutex_t *m)
{
    return (m->__data.__kind & GLIBC_MUTEX_TYPE) != PTHREAD_MUTEX_RECURSIVE_NP ||
           m->__data.__count == 1;
}

/* ---- the others ---- */

static inline uint32_t libc_rwlock_holders(const pthread_rwlock_t *l)
{
    uint32_t word = LOAD(&l->__data.__readers);
    return l->__data.__cur_writer != 0 && (word & GLIBC_RWLOCK_WRITING)
               ? 1
               : word >> GLIBC_RWLOCK_READERS;
}

/* The count is the lower half of the first word, on 64-bit machines. */
static inline bool libc_sem_is_free(const sem_t *s)
{
    return (uint32_t)LOAD(&s->__align) != 0;
}

static inline uint64_t libc_cond_begun(const pthread_cond_t *c)
{
    return LOAD(&c->__data.__wseq.__value64) >> GLIBC_CONDITION_SEQ;
}

static inline uint32_t libc_cond_inside(const pthread_cond_t *c)
{
    return LOAD(&c->__data.__wrefs) >> GLIBC_CONDITION_INSIDE;
}

static inline bool libc_once_is_done(const pthread_once_t *control)
{
    return LOAD_ACQUIRE(control) == GLIBC_ONCE_DONE;
}

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "one is the other");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "one is the other");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "one is the other");

static inline const pthread_mutex_t *libc_mutex_of(const mtx_t *m)
{
    return (const pthread_mutex_t *)(const void *)m;
}

static inline const pthread_cond_t *libc_cond_of(const cnd_t *c)
{
    return (const pthread_cond_t *)(const void *)c;
}

static inline const pthread_once_t *libc_once_of(const once_flag *flag)
{
    return (const pthread_once_t *)(const void *)flag;
}

static inline bool libc_has_environment(void)
{
    return environ != NULL;
}

static inline bool libc_is_single_threaded(void)
{
    return __libc_single_threaded;
}

/* struct pthread, to which the thread pointer points, lies above the stack in one mapping. */
static inline uintptr_t libc_thread_stack_top(void)
{
    return arch_own_thread_pointer();
}

static inline uintptr_t libc_thread_stack_top_of(pthread_t thread)
{
    return thread; /* the address of its struct pthread */
}

#endif
