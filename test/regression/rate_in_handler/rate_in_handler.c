// SPDX-License-Identifier: MIT
// A signal handler that set the rate of the cpu profile while its thread was making its own timer
// waited for that thread, and so for itself. Right: it does not wait.
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
