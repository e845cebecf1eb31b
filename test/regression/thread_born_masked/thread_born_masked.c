// SPDX-License-Identifier: MIT
// A thread whose creator blocks SIGPROF took one of the program's own, at its default, before it
// had learnt that it blocks it too: the program was killed. Right: it waits for the one who takes
// it.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 2000 };
static sigset_t prof;

static void *waiter(void *arg)
{
    int sig = 0;
    sigwait(&prof, &sig);
    return sig == SIGPROF ? arg : NULL;
}

int main(void)
{
    int taken = 0;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        void *result = NULL;
        pthread_create(&thread, NULL, waiter, &prof);
        kill(getpid(), SIGPROF);
        pthread_join(thread, &result);
        taken += result != NULL;
    }
    printf("%d signals taken\n", taken);
    return 0;
}
