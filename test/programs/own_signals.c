/* SPDX-License-Identifier: MIT
 * A program with its own use of the signals that the library uses: SIGUSR2 and SIGPROF. It does
 * what its argument names, prints what it sees, and after "ready" waits for a line on stdin. Run by
 * e2e/signals.py, which compares the output with that of a bare run.
 */
#include "truth.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t usr2s, profs, values;

static void on_signal(int signal)
{
    if (signal == SIGUSR2)
        usr2s++;
    else
        profs++;
}

static void on_value(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    values += info->si_value.sival_int;
}

static const char *disposition(int signal)
{
    struct sigaction now;
    sigaction(signal, NULL, &now);
    if (now.sa_flags & SA_SIGINFO)
        return now.sa_sigaction == on_value ? "mine with a value" : "a stranger's";
    return now.sa_handler == SIG_DFL     ? "default"
           : now.sa_handler == SIG_IGN   ? "ignored"
           : now.sa_handler == on_signal ? "mine"
                                         : "a stranger's";
}

static void wait_for_a_line(void)
{
    char c = 0;
    printf("ready\n");
    while (c != '\n') {
        ssize_t got = read(0, &c, 1);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
    }
}

/* For both signals and each call that sets a handler: the program reads back what it has set. */
static void read_back(void)
{
    int used[] = {SIGUSR2, SIGPROF};
    for (int i = 0; i < 2; i++) {
        int s = used[i];
        struct sigaction action = {.sa_handler = on_signal}, old;
        printf("%s at first\n", disposition(s));
        printf("signal gives default: %d\n", signal(s, SIG_IGN) == SIG_DFL);
        printf("then %s\n", disposition(s));
        sigaddset(&action.sa_mask, SIGUSR1);
        sigaction(s, &action, &old);
        printf("sigaction gives ignored: %d\n", old.sa_handler == SIG_IGN);
        sigaction(s, NULL, &old);
        printf("then %s, mask kept: %d, flags %d\n", disposition(s),
               sigismember(&old.sa_mask, SIGUSR1), old.sa_flags & ~0x04000000);
        sigset_t set, mask;
        sigemptyset(&set);
        sigaddset(&set, s);
        sigprocmask(SIG_BLOCK, &set, NULL);
        sigprocmask(SIG_BLOCK, NULL, &mask);
        printf("blocked: %d\n", sigismember(&mask, s));
        pthread_sigmask(SIG_UNBLOCK, &set, &mask);
        printf("was blocked: %d\n", sigismember(&mask, s));
        signal(s, SIG_DFL);
        printf("at last %s\n", disposition(s));
    }
}

/* Signals that it sends itself reach its handlers, each once. */
static void to_itself(void)
{
    signal(SIGUSR2, on_signal);
    signal(SIGPROF, on_signal);
    for (int i = 0; i < 5; i++) {
        raise(SIGUSR2);
        kill(getpid(), SIGPROF);
    }
    printf("%d %d\n", (int)usr2s, (int)profs);
}

static void with_a_value(void)
{
    struct sigaction action = {.sa_sigaction = on_value, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR2, &action, NULL);
    sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 42});
    printf("%d %s\n", (int)values, disposition(SIGUSR2));
}

/* Its own profiling timer goes on beside ours. */
static void own_timer(void)
{
    struct itimerval every = {{0, 10000}, {0, 10000}};
    signal(SIGPROF, on_signal);
    setitimer(ITIMER_PROF, &every, NULL);
    int64_t until = thread_cpu_ns() + 500000000;
    while (thread_cpu_ns() < until)
        spin_a_little();
    every = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &every, NULL);
    /* 500 ms of CPU make 50 ticks; the kernel counts by its own: on a busy machine 67 were seen. */
    printf("ticks as expected: %d\n", profs >= 30 && profs <= 100);
    if (profs < 30 || profs > 100)
        printf("%d\n", (int)profs);
}

static void handled(void)
{
    signal(SIGUSR2, on_signal);
    wait_for_a_line();
    printf("%d\n", (int)usr2s);
}

static void ignored(void)
{
    signal(SIGUSR2, SIG_IGN);
    wait_for_a_line();
    printf("%s\n", disposition(SIGUSR2));
}

static void blocked(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    wait_for_a_line();
    wait_for_a_line();
}

/* A SIGUSR2 that the program takes by signalfd is the program's and causes no dump. */
static void taken(void)
{
    sigset_t set;
    struct signalfd_siginfo info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, 0);
    printf("ready\n");
    printf("%d\n", read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2);
    wait_for_a_line();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {
        {"read_back", read_back}, {"to_itself", to_itself}, {"with_a_value", with_a_value},
        {"own_timer", own_timer}, {"handled", handled},     {"ignored", ignored},
        {"blocked", blocked},     {"taken", taken},
    };
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (argc == 2 && strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    return 2;
}
