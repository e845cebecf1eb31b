// SPDX-License-Identifier: MIT
// A program that forbids itself to read the time stamp counter died of SIGSEGV at its next wait.
// It does so in the two ways that there are; waits are timed before and after. Right: it runs on.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static sem_t semaphore;

static void *post(void *arg)
{
    usleep(20000);
    sem_post(&semaphore);
    return arg;
}

__attribute__((noinline)) static void site_wait(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, post, NULL);
    sem_wait(&semaphore);
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    sem_init(&semaphore, 0, 0);
    if (argc > 2) {
        site_wait();
    }
    long err = argc > 1 && strcmp(argv[1], "syscall") == 0
                   ? syscall(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)
                   : prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
    for (int i = 0; i < 10; i++) {
        site_wait();
    }
    printf("%ld\n", err);
    return 0;
}
