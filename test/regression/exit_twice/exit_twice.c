/* SPDX-License-Identifier: MIT
 *
 * exit() in one thread and _exit() in another. The second of them saw that the first was making the
 * last dump, and ended the process before that was made: no files. Right: it waits for the thread
 * that makes the dump.
 *
 * Children do it, each with another delay before the _exit(), and their ids are printed.
 */
#include "test/programs/on_cpu.h"
#include "test/programs/truth.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 40, DELAYS = 20000 };

static volatile int go, there, delay;

static void *ends(void *arg)
{
    run_on_cpu(1);
    there = 1;
    while (!go)
        ;
    for (int i = 0; i < delay; i++)
        __asm__ volatile("" : : : "memory");
    _exit(0);
    return arg;
}

static void child(void)
{
    pthread_t thread;
    run_on_cpu(0);
    keep(malloc(1 << 20)); /* a child that has recorded nothing writes nothing */
    pthread_create(&thread, NULL, ends, NULL);
    while (!there)
        usleep(100);
    go = 1;
    exit(0);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 0; i < ROUNDS; i++) {
        int status = -1;
        delay = i * (DELAYS / ROUNDS);
        pid_t pid = fork();
        if (pid == 0)
            child();
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 1;
        printf("%d\n", (int)pid);
    }
    return 0;
}
