/* SPDX-License-Identifier: MIT
 * What a case of known_waits.c consists of: the functions that it gives, and the threads, objects
 * and books that it has.
 */
#ifndef TEST_PROGRAMS_KNOWN_WAITS_CASE_H
#define TEST_PROGRAMS_KNOWN_WAITS_CASE_H

#include "wait_site.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <threads.h>

static struct timespec after(clockid_t clock, int64_t ns)
{
    int64_t at = clock_ns(clock) + ns;
    return (struct timespec){at / 1000000000, at % 1000000000};
}

/* One case: its threads, its objects, its books. */
struct known_wait {
    const struct wait_case *kind;
    int64_t ms;
    atomic_bool held;
    int64_t waited, began, held_up; /* ns */
    atomic_bool disturbed;          /* a thread lost its processor around a reading of the clock */
    pthread_t waiter, holder, target;
    thrd_t target_c11;
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_cond_t cond;
    sem_t sem;
    pthread_barrier_t barrier;
    pthread_once_t once;
    once_flag flag;
    mtx_t mtx;
    cnd_t cnd;
    atomic_int word;
    bool done;
};

struct wait_case {
    const char *name;
    void (*make)(struct known_wait *);
    void (*hold)(struct known_wait *);    /* in the holder's thread, before the wait begins */
    void (*wait)(struct known_wait *);    /* wait_<name> */
    void (*release)(struct known_wait *); /* release_<name>, after ms */
    bool charged;                         /* mutex must show the release */
    void (*prepare)(struct known_wait *); /* in the waiter's thread, before the wait */
};

static struct timespec scratch; /* FAR_S after the start on either clock; set once */
static struct timespec scratch_monotonic;

#endif
