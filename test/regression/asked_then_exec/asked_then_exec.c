// SPDX-License-Identifier: MIT
// A signal by which a thread was asked where it is must not follow the thread into the program that
// it execs, where it would be fatal. Right: the kernel drops what timers have sent when a thread
// makes an exec. One thread dumps all the time while another works, and becomes the same program 20
// times.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void nothing(int sig)
{
    (void)sig;
}

static void *dumps(void *arg)
{
    for (;;) {
        raise(SIGUSR2);
    }
    return arg;
}

static void work(void)
{
    struct timespec t;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    } while (t.tv_nsec < 10000000);
}

int main(int argc, char **argv)
{
    int left = argc > 1 ? atoi(argv[1]) : 20;
    char text[16];
    pthread_t thread;
    if (left == 0) {
        puts("all of them");
        return 0;
    }
    if (!getenv("PPROF_OUT")) { /* bare, where the signal would end the process */
        signal(SIGUSR2, nothing);
    }
    pthread_create(&thread, NULL, dumps, NULL);
    work();
    snprintf(text, sizeof text, "%d", left - 1);
    execl("/proc/self/exe", "asked_then_exec", text, NULL);
    return 9;
}
