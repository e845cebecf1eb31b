/* SPDX-License-Identifier: MIT
 *
 * Fork handlers of a library that the program links run between those of ours, while the table of
 * live objects is locked for the fork. A handler that allocated, if the allocation was sampled,
 * waited for that lock for ever. Right: the forking thread uses the table that it has locked, and
 * the fork returns.
 *
 * The program has had a second thread, without which no locks are taken, and forks three times.
 */
#include "handlers.h"
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    pthread_t thread;
    handlers_needed();
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    int ended = 0;
    for (int i = 0; i < 3; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        ended += waitpid(pid, &status, 0) == pid && status == 0;
    }
    printf("%d children ended\n", ended);
    return 0;
}
