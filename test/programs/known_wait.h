/* SPDX-License-Identifier: MIT
 * A wait of known length: a thread waits in wait_<name> for what another thread or process holds
 * and releases, in release_<name>, after a time. What each waited by its own clock, and which
 * profiles must show it, is printed as one JSON line.
 */
#ifndef TEST_PROGRAMS_KNOWN_WAIT_H
#define TEST_PROGRAMS_KNOWN_WAIT_H

#include "wait_site.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct known_wait {
    const char *name;
    void (*hold)(struct known_wait *);    /* before the wait begins */
    void (*wait)(struct known_wait *);    /* wait_<name> */
    void (*release)(struct known_wait *); /* release_<name>, after ms */
    void (*halfway)(struct known_wait *); /* while it waits; NULL: nothing */
    bool block, mutex;                    /* that profile must show it */
    bool in_child;                        /* the wait is the child's */
    int ms;
    atomic_bool held, disturbed;
    atomic_llong began;
    int64_t waited, held_up; /* ns */
    pthread_mutex_t m;
    pthread_rwlock_t l;
    pthread_cond_t c;
    pthread_barrier_t b;
    sem_t s;
    bool done;
    pthread_t beside;
};

static inline void nap_until(atomic_bool *flag)
{
    while (!atomic_load(flag))
        sleep_ns(100000);
}

static inline void *wait_side(void *arg)
{
    struct known_wait *b = arg;
    nap_until(&b->held);
    long before = times_preempted();
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    atomic_store(&b->began, began);
    b->wait(b);
    b->waited = clock_ns(CLOCK_MONOTONIC) - began;
    if (times_preempted() != before)
        atomic_store(&b->disturbed, true);
    return NULL;
}

static inline void *hold_side(void *arg)
{
    struct known_wait *b = arg;
    if (b->hold)
        b->hold(b);
    atomic_store(&b->held, true);
    while (!atomic_load(&b->began))
        sleep_ns(100000);
    sleep_ns(b->ms * 500000LL);
    if (b->halfway)
        b->halfway(b);
    sleep_ns(b->ms * 500000LL);
    long before = times_preempted();
    b->held_up = clock_ns(CLOCK_MONOTONIC) - atomic_load(&b->began);
    b->release(b);
    if (times_preempted() != before)
        atomic_store(&b->disturbed, true);
    return NULL;
}

static inline void print_known_waits(const struct known_wait *waits, int n, pid_t child)
{
    printf("{\"child\": %d, \"cases\": {", (int)child);
    for (int i = 0; i < n; i++) {
        const struct known_wait *b = &waits[i];
        printf("%s\"%s\": {\"waited\": %ld, \"held_up\": %ld, \"block\": %d, \"mutex\": %d, "
               "\"in_child\": %d, \"disturbed\": %d}",
               i ? ", " : "", b->name, (long)b->waited, (long)b->held_up, b->block, b->mutex,
               b->in_child, b->disturbed);
    }
    printf("}}\n");
}

#define RELOCK(name)                                                                               \
    WAIT(name, pthread_mutex_lock(&b->m) || pthread_mutex_unlock(&b->m))                           \
    RELEASE(name, pthread_mutex_unlock(&b->m))

static inline void hold_mutex(struct known_wait *b)
{
    must(pthread_mutex_lock(&b->m) == 0, "lock");
}

#endif
