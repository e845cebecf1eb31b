/* SPDX-License-Identifier: MIT
 *
 * Around a fork the library blocks its signals. The mask to restore was kept in one variable for
 * all threads: two threads that forked at once got each other's masks. Right: each thread keeps its
 * own.
 *
 * Two threads with different masks fork; prints how often a mask was not the thread's after it.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 1000 };

static int wrong[2];

static void *forks(void *arg)
{
    int me = arg != NULL;
    sigset_t mine, now;
    sigemptyset(&mine);
    sigaddset(&mine, SIGRTMIN + 1 + me);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_sigmask(SIG_SETMASK, &mine, NULL);
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        wrong[me] += sigismember(&now, SIGRTMIN + 1 + me) != 1 ||
                     sigismember(&now, SIGRTMIN + 2 - me) != 0 || sigismember(&now, SIGUSR2) != 0;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, forks, i ? wrong : NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("wrong masks: %d\n", wrong[0] + wrong[1]);
    return 0;
}
