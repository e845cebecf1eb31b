/* SPDX-License-Identifier: MIT
 * Puts something into every profile (CPU time, memory, waits for locks, threads, entries, labels),
 * then asks for a dump. Built and run by e2e/text_forms.py, which compares the dump's texts with
 * its protobufs.
 */
#include "preload/pprofinject.h"
#include "truth.h"
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t parking = PTHREAD_MUTEX_INITIALIZER;
static char entry[3];

SITE void spend_cpu(void)
{
    for (int64_t end = thread_cpu_ns() + 300000000; thread_cpu_ns() < end;)
        spin_a_little();
}

SITE void keep_memory(void)
{
    for (int i = 0; i < 20000; i++)
        keep(malloc(2000));
    for (int i = 0; i < 5000; i++) {
        void *p = malloc(10000);
        keep(p);
        free(p);
    }
}

SITE void hold_lock(void)
{
    for (int i = 0; i < 10; i++) {
        pthread_mutex_lock(&lock);
        usleep(3000);
        pthread_mutex_unlock(&lock);
    }
}

static void *holds(void *arg)
{
    hold_lock();
    return arg;
}

SITE void wait_here(void)
{
    pthread_mutex_lock(&parking);
    pthread_mutex_unlock(&parking);
}

static void *waits(void *arg)
{
    wait_here();
    return arg;
}

static void make_waiter(pprof_ctx *ctx, void *arg)
{
    (void)ctx;
    pthread_create(arg, NULL, waits, NULL);
}

SITE void add_entries(void)
{
    pprof_profile *p = pprof_new_profile("test/entries");
    for (int i = 0; i < 3; i++)
        must(pprof_profile_add(p, &entry[i], 0) == 0, "add");
}

int main(void)
{
    pthread_t t[4], waiter;
    pthread_mutex_lock(&parking);
    pprof_do(NULL, pprof_labels("route", "/a \"quoted\"", (char *)NULL), make_waiter, &waiter);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, holds, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    spend_cpu();
    keep_memory();
    add_entries();
    must(pprof_dump() == 0, "dump");
    pthread_mutex_unlock(&parking);
    pthread_join(waiter, NULL);
    return 0;
}
