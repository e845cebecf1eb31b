/* SPDX-License-Identifier: MIT
 *
 * The library keeps a record of the handler that the program has set for SIGUSR2. A child that was
 * forked while another thread wrote the record found it half written for ever, and hung in its
 * first sigaction() or signal. Right: a reader, also in a child, always finds a whole record.
 *
 * A thread sets the handler all the time while main forks children that read it; one that takes
 * longer than GIVE_UP seconds is killed by its alarm. Prints how many were.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 1000, GIVE_UP = 5 };

static volatile int stop;

static void on_signal(int signal)
{
    (void)signal;
}

static void *sets(void *arg)
{
    struct sigaction action = {.sa_handler = on_signal};
    while (!stop)
        sigaction(SIGUSR2, &action, NULL);
    return arg;
}

int main(void)
{
    pthread_t thread;
    int hung = 0;
    pthread_create(&thread, NULL, sets, NULL);
    for (int i = 0; i < ROUNDS && hung == 0; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            struct sigaction now, action = {.sa_handler = SIG_DFL};
            alarm(GIVE_UP);
            sigaction(SIGUSR2, NULL, &now);
            sigaction(SIGUSR2, &action, NULL);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        hung += status != 0;
    }
    stop = 1;
    pthread_join(thread, NULL);
    printf("hung children: %d\n", hung);
    return 0;
}
