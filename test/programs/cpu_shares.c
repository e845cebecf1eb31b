/* SPDX-License-Identifier: MIT
 * CPU truth: 50, 30 and 20 % of it in three functions on two threads, each measured by its thread's
 * own CPU clock. The parts are long against a sampling period, so that the profile's share is off
 * by less than a period per part. Run by e2e/cpu_shares.py, e2e/names.py.
 */
#include "truth.h"
#include <pthread.h>
#include <sys/resource.h>

enum { ROUNDS = 5, MS = 1000000 };

/* Burns at least ns of this thread's CPU time; returns what it took by the thread's CPU clock. */
static inline int64_t burn(int64_t ns)
{
    int64_t began = thread_cpu_ns(), now;
    do {
        spin_a_little();
        now = thread_cpu_ns();
    } while (now - began < ns);
    return now - began;
}

SITE int64_t burn_half(void)
{
    int64_t spent = burn(400LL * MS);
    return spent;
}

SITE int64_t burn_third(void)
{
    int64_t spent = burn(240LL * MS);
    return spent;
}

SITE int64_t burn_fifth(void)
{
    int64_t spent = burn(160LL * MS);
    return spent;
}

static int64_t half, third, fifth;

static void *first(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        half += burn_half();
    return arg;
}

static void *second(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        third += burn_third();
        fifth += burn_fifth();
    }
    return arg;
}

int main(void)
{
    pthread_t a, b;
    struct rusage usage;
    pthread_create(&a, NULL, first, NULL);
    pthread_create(&b, NULL, second, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    getrusage(RUSAGE_SELF, &usage);
    int64_t total = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
                    (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
    printf("{\"burn_half\": %lld, \"burn_third\": %lld, \"burn_fifth\": %lld, \"total\": %lld}\n",
           (long long)half, (long long)third, (long long)fifth, (long long)total);
    return 0;
}
