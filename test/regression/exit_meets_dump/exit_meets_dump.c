/* SPDX-License-Identifier: MIT
 *
 * exit() in one thread while another handles a dump signal. If exit() came after the handler had
 * asked for a scribe and before the scribe existed, it found no scribe to wait for, and the process
 * ended without any file. Right: a thread that is about to make the scribe counts as one.
 *
 * Children do it, each with another delay between the two, and their ids are printed.
 */
#include "test/programs/on_cpu.h"
#include "test/programs/truth.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 40, DELAYS = 1000 };

static volatile int go, there;

static void *asks(void *arg)
{
    run_on_cpu(1);
    there = 1;
    while (!go)
        ;
    raise(SIGUSR2);
    pause();
    return arg;
}

/* No printf: the child has a copy of the parent's buffer. */
static void child(int delay)
{
    pthread_t thread;
    run_on_cpu(0);
    keep(malloc(1 << 20)); /* a child that has recorded nothing writes nothing */
    pthread_create(&thread, NULL, asks, NULL);
    while (!there)
        usleep(100);
    go = 1;
    for (int i = 0; i < delay; i++)
        __asm__ volatile("" : : : "memory");
    exit(0);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 0; i < ROUNDS; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0)
            child(i * (DELAYS / ROUNDS));
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 1;
        printf("%d\n", (int)pid);
    }
    return 0;
}
