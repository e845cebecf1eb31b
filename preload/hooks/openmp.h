/* SPDX-License-Identifier: MIT
 *
 * GCC's OpenMP runtime, libgomp, whose threads wait by system call instructions of its own, so that
 * no hook of libc's functions sees them. Its entry points, which the compiler calls for each
 * directive, are called through functions of ours (openmp.c says how), and those are in
 * hook_openmp.c: waits and locks; openmp_team.c: the ends of parallel regions, and tasks.
 *
 * Clang's runtime has the same entry points besides its own, but waits by libc's condition
 * variables; it is left alone.
 *
 * Any thread of the program's, also before our constructor has ended. Nothing here allocates or
 * makes a system call.
 */
#ifndef PRELOAD_OPENMP_H
#define PRELOAD_OPENMP_H

#include "collectors/waits/contention.h"

/* Each entry point once, by what our function does; n: passed on to the row. Those that only wait:
 * no argument, or one. Arguments that an entry point does not have are whatever lies in their
 * places. */
#define OPENMP_WAITS(ROW, n)                                                                       \
    ROW(n, GOMP_barrier)                                                                           \
    ROW(n, GOMP_barrier_cancel)                                                                    \
    ROW(n, GOMP_loop_end)                                                                          \
    ROW(n, GOMP_loop_end_cancel)                                                                   \
    ROW(n, GOMP_sections_end)                                                                      \
    ROW(n, GOMP_sections_end_cancel)                                                               \
    ROW(n, GOMP_single_copy_start)                                                                 \
    ROW(n, GOMP_single_copy_end)                                                                   \
    ROW(n, GOMP_workshare_task_reduction_unregister)                                               \
    ROW(n, GOMP_ordered_start)                                                                     \
    ROW(n, GOMP_taskwait)                                                                          \
    ROW(n, GOMP_taskwait_depend)                                                                   \
    ROW(n, GOMP_taskgroup_end)                                                                     \
    ROW(n, GOMP_parallel_end)

/* Pairs of a lock that has no name: our own word says whether it is held. */
#define OPENMP_UNNAMED(ROW, n)                                                                     \
    ROW(n, GOMP_critical_start, GOMP_critical_end, critical)                                       \
    ROW(n, GOMP_atomic_start, GOMP_atomic_end, atomic)

/* A critical section's name is a word that the compiler has set aside: the lock itself, 0 while no
 * thread holds it. */
#define OPENMP_NAMED(ROW, n) ROW(n, GOMP_critical_name_start, GOMP_critical_name_end, )

/* Lock, unlock, and the call that tries to lock: it returns 0 where it did not. The last two rows
 * are Fortran's names. */
#define OPENMP_LOCKS(ROW, n)                                                                       \
    ROW(n, omp_set_lock, omp_unset_lock, omp_test_lock)                                            \
    ROW(n, omp_set_lock_, omp_unset_lock_, omp_test_lock_)
#define OPENMP_NEST_LOCKS(ROW, n)                                                                  \
    ROW(n, omp_set_nest_lock, omp_unset_nest_lock, omp_test_nest_lock)                             \
    ROW(n, omp_set_nest_lock_, omp_unset_nest_lock_, omp_test_nest_lock_)

/* A function that each thread of a new team is to run, its argument, and up to six numbers. */
#define OPENMP_REGIONS(ROW, n)                                                                     \
    ROW(n, GOMP_parallel)                                                                          \
    ROW(n, GOMP_parallel_reductions)                                                               \
    ROW(n, GOMP_parallel_sections)                                                                 \
    ROW(n, GOMP_parallel_loop_static)                                                              \
    ROW(n, GOMP_parallel_loop_dynamic)                                                             \
    ROW(n, GOMP_parallel_loop_guided)                                                              \
    ROW(n, GOMP_parallel_loop_runtime)                                                             \
    ROW(n, GOMP_parallel_loop_nonmonotonic_dynamic)                                                \
    ROW(n, GOMP_parallel_loop_nonmonotonic_guided)                                                 \
    ROW(n, GOMP_parallel_loop_nonmonotonic_runtime)                                                \
    ROW(n, GOMP_parallel_loop_maybe_nonmonotonic_runtime)

/* A function that a thread is to run, now or later, and up to ten more arguments. */
#define OPENMP_TASKS(ROW, n)                                                                       \
    ROW(n, GOMP_task)                                                                              \
    ROW(n, GOMP_taskloop)                                                                          \
    ROW(n, GOMP_taskloop_ull)

#define OPENMP_ID(n, name) OPENMP_##name,
#define OPENMP_ID_2(n, name, end, word) OPENMP_##name, OPENMP_##end,
#define OPENMP_ID_3(n, name, end, test) OPENMP_##name, OPENMP_##end, OPENMP_##test,
enum openmp_id {
    OPENMP_WAITS(OPENMP_ID, ) OPENMP_UNNAMED(OPENMP_ID_2, ) OPENMP_NAMED(OPENMP_ID_2, )
        OPENMP_LOCKS(OPENMP_ID_3, ) OPENMP_NEST_LOCKS(OPENMP_ID_3, ) OPENMP_REGIONS(OPENMP_ID, )
            OPENMP_TASKS(OPENMP_ID, ) OPENMP_IDS
};

/* A process may have several: extension modules of Python bring one each. */
enum { OPENMP_RUNTIMES = 3 };

struct openmp {
    void *real[OPENMP_IDS];    /* NULL: this version of the runtime has no such entry point */
    uint32_t critical, atomic; /* 1 while the lock is held */
};
extern HIDDEN struct openmp openmp[OPENMP_RUNTIMES];

/* Our function in front of each entry point of each runtime; NULL: the real one is called. */
extern HIDDEN void *const openmp_hooks[OPENMP_RUNTIMES][OPENMP_IDS];

/* ---- a wait, on the stack of the hook ---- */

struct openmp_wait {
    struct contention_wait w;
    uint64_t ran; /* ticks in which the thread ran tasks instead of waiting */
    struct openmp_wait *outer;
};
void openmp_wait_begins(struct openmp_wait *o, const void *lock);
/* function: what was called. Shorter than a microsecond is no wait, but what the call takes where
 * it finds nothing to wait for. */
void openmp_wait_ends(struct openmp_wait *o, const void *function);

/* ---- regions and tasks (openmp_team.c) ---- */

typedef void openmp_body(void *arg);
typedef long openmp_region_start(openmp_body *body, void *arg, long a, long b, long c, long d,
                                 long e, long f);
typedef long openmp_task_start(openmp_body *body, long a, long b, long c, long d, long e, long f,
                               long g, long h, long i, long j);

/* Calls the real function; the waits of all the team's threads for its last one are counted. */
long openmp_region(const struct openmp *r, enum openmp_id id, openmp_body *body, void *arg, long a,
                   long b, long c, long d, long e, long f);

/* What stands for the body of a task: it runs the body, and what a wait in which it runs has lasted
 * less for it is noted. The body itself where there is no room for one more. */
openmp_body *openmp_task_body(openmp_body *body);

#endif
