// SPDX-License-Identifier: MIT
// A new thread, whose creator blocks SIGPROF, received one of the program's own SIGPROF before the
// library had recorded that the thread blocks it too: the default action killed the program.
// Right: the signal stays pending for the thread that waits for it.
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
