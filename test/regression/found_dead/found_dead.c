// SPDX-License-Identifier: MIT
// A thread was found by a scan and ended before its timer was made. That was taken for a refusal
// by the kernel, and the process got an interval timer for good, whose signal may reach any thread
// and so ended the sleep of threads that block all signals. Right: the thread is dropped.
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MAKERS = 8, SECONDS = 2 };
static atomic_bool over;

static void *nothing(void *arg)
{
    return arg;
}

static void *maker(void *arg)
{
    pthread_t thread;
    while (!over) {
        if (pthread_create(&thread, NULL, nothing, NULL) == 0) {
            pthread_join(thread, NULL);
        }
    }
    return arg;
}

int main(void)
{
    pthread_t makers[MAKERS];
    for (int i = 0; i < MAKERS; i++) {
        pthread_create(&makers[i], NULL, maker, NULL);
    }
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    struct timespec left = {SECONDS, 0};
    int woken = 0;
    while (nanosleep(&left, &left) != 0) {
        woken++;
    }
    over = true;
    for (int i = 0; i < MAKERS; i++) {
        pthread_join(makers[i], NULL);
    }
    struct itimerval timer; /* by the raw call: the kernel's answer, not the library's */
    syscall(SYS_getitimer, ITIMER_PROF, &timer);
    printf("interval timer %ld us, woken %d times\n", (long)timer.it_interval.tv_usec, woken);
    return 0;
}
