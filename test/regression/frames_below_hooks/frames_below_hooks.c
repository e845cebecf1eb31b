/* SPDX-License-Identifier: MIT
 *
 * Code of the program may run inside a function of the library: a handler of a signal that
 * sigprocmask() or sigsuspend() lets through, a destructor in dlclose(). The library's frame in the
 * middle of the stack was taken for its leaf, so the program's own functions above it were missing
 * and the leaf was "[pprofinject]". Right: the library's frames are left out, the program's stay.
 *
 * Burns CPU and allocates in a function that is reached in the way that the argument names. Prints
 * the nanoseconds and the bytes.
 */
#include "test/programs/truth.h"
#include <dlfcn.h>
#include <signal.h>

enum { BURN_NS = 200000000, BYTES = 1000000 };

SITE void site_inside(void)
{
    int64_t until = thread_cpu_ns() + BURN_NS;
    keep(malloc(BYTES));
    while (thread_cpu_ns() < until)
        spin_a_little();
}

static void on_alarm(int signal)
{
    (void)signal;
    site_inside();
}

static int by_destructor(const char *path)
{
    void *plugin = dlopen(path, RTLD_NOW);
    void (**at_end)(void) = plugin ? dlsym(plugin, "plugin_at_end") : NULL;
    if (!at_end)
        return 2;
    *at_end = site_inside;
    return dlclose(plugin);
}

int main(int argc, char **argv)
{
    sigset_t alarm, before;
    if (argc < 2)
        return 2;
    printf("{\"burnt\": %d, \"bytes\": %d}\n", BURN_NS, BYTES);
    if (argc == 3)
        return by_destructor(argv[2]);
    signal(SIGALRM, on_alarm);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm, &before);
    raise(SIGALRM);
    if (strcmp(argv[1], "sigsuspend") == 0)
        sigsuspend(&before);
    else if (strcmp(argv[1], "pthread_sigmask") == 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    else
        sigprocmask(SIG_SETMASK, &before, NULL);
    return 0;
}
