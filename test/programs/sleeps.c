/* SPDX-License-Identifier: MIT
 *
 * Threads asleep, each in another call, for SECONDS. argv[1]:
 *   ignored, unhandled   while they sleep, each gets the dump signal three times, which the process
 *                        ignores or leaves at its default action
 *   handled              the same, ignored, and then SIGALRM, which has a handler
 *   uid UID              half of them fall asleep before the process becomes that user, the others
 *                        after; prints "asleep", and ends at a line on its standard input
 * Prints for each: the call, its result, errno, milliseconds, and for "handled" those that the call
 * says were left. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { POKES = 3 };
static double seconds = 2;
static int never[2]; /* a pipe in which nothing comes */

static struct timespec span(void)
{
    return (struct timespec){(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct timespec until(clockid_t clock)
{
    struct timespec t;
    struct timespec s = span();
    clock_gettime(clock, &t);
    t.tv_sec += s.tv_sec + (t.tv_nsec + s.tv_nsec) / 1000000000;
    t.tv_nsec = (t.tv_nsec + s.tv_nsec) % 1000000000;
    return t;
}

static long ms(const struct timespec *t)
{
    return t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

static int epoll(void)
{
    int e = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    epoll_ctl(e, EPOLL_CTL_ADD, never[0], &ev);
    return e;
}

/* ---- the calls; *left: what the call says is left, or -1 ---- */

#define CALL(name) __attribute__((noinline)) static long wait_##name(long *left)

CALL(poll)
{
    struct pollfd p = {never[0], POLLIN, 0};
    (void)left;
    return poll(&p, 1, (int)(seconds * 1000));
}

CALL(ppoll)
{
    struct timespec t = span();
    (void)left;
    return ppoll(NULL, 0, &t, NULL);
}

CALL(ppoll_masked)
{
    struct timespec t = span();
    sigset_t none;
    sigemptyset(&none);
    (void)left;
    return ppoll(NULL, 0, &t, &none);
}

CALL(select)
{
    fd_set r;
    FD_ZERO(&r);
    FD_SET(never[0], &r);
    struct timespec s = span();
    struct timeval t = {s.tv_sec, s.tv_nsec / 1000};
    long result = select(never[0] + 1, &r, NULL, NULL, &t);
    *left = t.tv_sec * 1000 + t.tv_usec / 1000;
    return result;
}

CALL(pselect)
{
    struct timespec t = span();
    (void)left;
    return pselect(0, NULL, NULL, NULL, &t, NULL);
}

CALL(epoll_wait)
{
    struct epoll_event ev;
    (void)left;
    return epoll_wait(epoll(), &ev, 1, (int)(seconds * 1000));
}

CALL(epoll_pwait)
{
    struct epoll_event ev;
    sigset_t none;
    sigemptyset(&none);
    (void)left;
    return epoll_pwait(epoll(), &ev, 1, (int)(seconds * 1000), &none);
}

CALL(epoll_pwait2)
{
    struct epoll_event ev;
    struct timespec t = span();
    (void)left;
    return epoll_pwait2(epoll(), &ev, 1, &t, NULL);
}

CALL(nanosleep)
{
    struct timespec t = span();
    long result = nanosleep(&t, &t);
    *left = result ? ms(&t) : -1;
    return result;
}

CALL(nanosleep_alone)
{
    struct timespec t = span();
    (void)left;
    return nanosleep(&t, NULL);
}

CALL(clock_nanosleep)
{
    struct timespec t = span();
    struct timespec rest = {0, 0};
    errno = clock_nanosleep(CLOCK_BOOTTIME, 0, &t, &rest);
    *left = errno ? ms(&rest) : -1;
    return errno ? -1 : 0;
}

CALL(clock_nanosleep_until)
{
    struct timespec t = until(CLOCK_REALTIME);
    (void)left;
    errno = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
    return errno ? -1 : 0;
}

CALL(sleep)
{
    unsigned rest = sleep((unsigned)seconds);
    *left = rest ? rest * 1000L : -1;
    return rest ? -1 : 0;
}

CALL(usleep)
{
    (void)left;
    return usleep((useconds_t)(seconds * 1e6));
}

CALL(thrd_sleep)
{
    struct timespec t = span();
    struct timespec rest = {0, 0};
    long result = thrd_sleep(&t, &rest);
    *left = result ? ms(&rest) : -1;
    return result;
}

static const struct kind {
    const char *name;
    long (*call)(long *left);
} kinds[] = {
#define KIND(name)                                                                                 \
    {                                                                                              \
#name, wait_##name                                                                         \
    }
    KIND(poll),      KIND(ppoll),           KIND(ppoll_masked),    KIND(select),
    KIND(pselect),   KIND(epoll_wait),      KIND(epoll_pwait),     KIND(epoll_pwait2),
    KIND(nanosleep), KIND(nanosleep_alone), KIND(clock_nanosleep), KIND(clock_nanosleep_until),
    KIND(sleep),     KIND(usleep),          KIND(thrd_sleep),
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct sleeper {
    pthread_t thread;
    long result, left;
    int error;
    double took;
} sleepers[KINDS];

static void *sleeper(void *arg)
{
    struct sleeper *s = arg;
    double began = now();
    s->left = -1;
    errno = 0;
    s->result = kinds[s - sleepers].call(&s->left);
    s->error = errno;
    s->took = now() - began;
    return NULL;
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void start(int from, int to)
{
    for (int i = from; i < to; i++) {
        if (pthread_create(&sleepers[i].thread, NULL, sleeper, &sleepers[i])) {
            exit(2);
        }
    }
}

static void poke(int signal)
{
    for (int i = 0; i < KINDS; i++) {
        pthread_kill(sleepers[i].thread, signal);
    }
}

/* By the system call alone, so that no hook of libc's functions sees it. */
static void rest(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    while (syscall(SYS_nanosleep, &t, &t) != 0 && errno == EINTR) {
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "ignored";
    struct sigaction alarm_action = {.sa_handler = on_alarm};
    if (pipe(never) != 0) {
        return 2;
    }
    sigaction(SIGALRM, &alarm_action, NULL);
    if (strcmp(how, "unhandled") != 0) {
        signal(SIGUSR2, SIG_IGN);
    }
    if (strcmp(how, "uid") == 0 && argc > 2) {
        char line;
        seconds = 60;
        start(0, KINDS / 2);
        rest(0.3);
        if (setgid((gid_t)atoi(argv[2])) || setuid((uid_t)atoi(argv[2]))) {
            return 2;
        }
        start(KINDS / 2, KINDS);
        rest(0.3);
        puts("asleep");
        fflush(stdout);
        _exit(read(0, &line, 1) == 1 ? 0 : 3);
    }
    start(0, KINDS);
    for (int i = 0; i < POKES; i++) {
        rest(seconds / (POKES + 1));
        poke(SIGUSR2);
    }
    if (strcmp(how, "handled") == 0) {
        rest(0.1);
        poke(SIGALRM);
    }
    for (int i = 0; i < KINDS; i++) {
        const struct sleeper *s = &sleepers[i];
        pthread_join(s->thread, NULL);
        printf("%s %ld %d %.0f %ld\n", kinds[i].name, s->result, s->error, s->took * 1000, s->left);
    }
    return 0;
}
