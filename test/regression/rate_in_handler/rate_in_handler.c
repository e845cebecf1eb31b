// SPDX-License-Identifier: MIT
// A handler that set the rate of the cpu profile in a thread that was just making its timer waited
// for that thread, which is itself.
#include "preload/pprofinject.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { THREADS = 10000 };

static void on_signal(int sig)
{
    static long calls;
    (void)sig;
    (void)pprof_set_cpu_profile_rate(100 + (__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) & 1));
}

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, nothing, NULL) == 0) {
            for (volatile int wait = i % 2000; wait > 0; wait--) {
            }
            pthread_kill(t, SIGUSR1);
            pthread_join(t, NULL);
        }
    }
    puts("over");
    return 0;
}
