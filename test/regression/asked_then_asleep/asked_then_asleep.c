// SPDX-License-Identifier: MIT
// A thread that was found running was asked where it is by a signal, which could arrive when the
// thread had just begun to sleep: its recv() or its nanosleep failed with EINTR. Right: it is asked
// by a timer on its CPU clock, which cannot expire in a sleep. Each thread works for a random time
// and sleeps for a short one, by calls that the library does not interpose.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6, SECONDS = 3 };
static atomic_long cut;

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void *works_and_sleeps(void *arg)
{
    int ends[2];
    struct timeval limit = {0, 1000};
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    for (int i = 0;; i++) {
        int64_t until = now(CLOCK_THREAD_CPUTIME_ID) + 20000 + i * 7919LL % 300000;
        while (now(CLOCK_THREAD_CPUTIME_ID) < until) {
        }
        char byte;
        struct timespec half = {0, 500000};
        long ret =
            (intptr_t)arg % 2 ? recv(ends[0], &byte, 1, 0) : syscall(SYS_nanosleep, &half, NULL);
        if (ret < 0 && errno == EINTR) {
            cut++;
        }
    }
    return NULL;
}

static void nothing(int sig)
{
    (void)sig;
}

int main(void)
{
    pthread_t thread;
    if (!getenv("PPROF_OUT")) { /* bare, where the signal would end the process */
        signal(SIGUSR2, nothing);
    }
    for (intptr_t i = 0; i < THREADS; i++) {
        pthread_create(&thread, NULL, works_and_sleeps, (void *)i);
    }
    int64_t end = now(CLOCK_MONOTONIC) + SECONDS * 1000000000LL;
    while (now(CLOCK_MONOTONIC) < end) {
        raise(SIGUSR2);
        struct timespec nap = {0, 2000000};
        nanosleep(&nap, NULL);
    }
    printf("%ld sleeps were cut\n", (long)cut);
    fflush(stdout);
    _exit(0);
}
