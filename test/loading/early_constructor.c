/* SPDX-License-Identifier: MIT
 *
 * A library whose constructor does what programs do later: it allocates, starts a thread, handles
 * the profiler's signals, forks and waits, and calls dlopen. It runs before the profiler's where
 * that cannot be the first.
 * The program prints what it found there by early_report().
 */
#include "../programs/truth.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void *block;
static int status = -1, joined, handled;
static volatile int stop;
static pthread_t running;

static void on_signal(int signal)
{
    handled += signal == SIGPROF ? 1 : 10;
}

static void *brief(void *arg)
{
    free(malloc(100));
    return arg;
}

static void *until_told(void *arg)
{
    while (!stop)
        free(malloc(1000));
    return arg;
}

__attribute__((constructor)) static void early(void)
{
    pthread_t thread;
    block = malloc(12345);
    pthread_create(&thread, NULL, brief, &joined);
    void *back = NULL;
    pthread_join(thread, &back);
    joined = back == &joined;
    pthread_create(&running, NULL, until_told, NULL);
    signal(SIGPROF, on_signal);
    signal(SIGUSR2, on_signal);
    pid_t child = fork();
    if (child == 0)
        _exit(9);
    waitpid(child, &status, 0);
    dlclose(dlopen("libm.so.6", RTLD_NOW));
}

/* Called in main: what the constructor has set must not have changed. */
void early_report(void)
{
    raise(SIGPROF);
    raise(SIGUSR2);
    stop = 1;
    pthread_join(running, NULL);
    block = realloc(block, 54321);
    free(block);
    printf("%d %d %d\n", WEXITSTATUS(status), joined, handled);
}
