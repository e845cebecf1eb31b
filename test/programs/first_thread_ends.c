/* SPDX-License-Identifier: MIT
 * A process whose first thread has ended by pthread_exit(): for the kernel its leader is a zombie
 * without memory. Two threads are left. One sleeps in sleeps_on(), the other prints "ready" once
 * the first thread has ended, obeys lines as on_command.c does ("work": burns 50 ms of CPU time),
 * and ends the process by exit(7) at the end of input. Run by e2e/forks.py.
 */
#include "truth.h"
#include <pthread.h>
#include <unistd.h>

static pthread_t first;

SITE void *sleeps_on(void *arg)
{
    for (;;)
        pause();
    return arg;
}

SITE void burn_after(void)
{
    int64_t until = thread_cpu_ns() + 50000000;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

SITE void *obeys(void *arg)
{
    char line[64];
    pthread_join(first, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof line, stdin)) {
        burn_after();
        keep(malloc(4096));
        printf("done\n");
    }
    exit(7);
    return arg;
}

int main(void)
{
    pthread_t t;
    first = pthread_self();
    if (pthread_create(&t, NULL, sleeps_on, NULL) || pthread_create(&t, NULL, obeys, NULL))
        return 1;
    pthread_exit(NULL);
}
