/* SPDX-License-Identifier: MIT
 * What the programs share that use signals as e2e/signals_as_bare.py has it: each does what its
 * argument names and prints what it sees, which depends on no time and no load; without an argument
 * it prints the names.
 */
#ifndef TEST_PROGRAMS_SIGNAL_MODES_H
#define TEST_PROGRAMS_SIGNAL_MODES_H

#include "truth.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t came;

static inline void burn(int ms)
{
    int64_t until = thread_cpu_ns() + ms * 1000000LL;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

static inline void count(int sig)
{
    (void)sig;
    came++;
}

static inline void handle(int sig, void (*handler)(int), int flags, bool mask_all)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    if (mask_all)
        sigfillset(&action.sa_mask);
    sigaction(sig, &action, NULL);
}

static inline sigset_t only(int sig)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    return set;
}

static inline void mask(int how, int sig)
{
    sigset_t set = only(sig);
    pthread_sigmask(how, &set, NULL);
}

static inline int is_blocked(int sig)
{
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, sig);
}

struct mode {
    const char *name;
    void (*run)(void);
};

static inline int run_mode(const struct mode *modes, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!name)
            printf("%s\n", modes[i].name);
        else if (strcmp(name, modes[i].name) == 0)
            modes[i].run();
    }
    return 0;
}

#define MAIN_OF_MODES(modes)                                                                       \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return run_mode(modes, sizeof(modes) / sizeof *(modes), argc > 1 ? argv[1] : NULL);        \
    }

#endif
