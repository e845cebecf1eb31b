/* SPDX-License-Identifier: MIT  flags: -fno-optimize-sibling-calls
 *
 * Threads asleep, each in another call, for SECONDS. By argv[1]:
 *
 * - ignored, unhandled: while they sleep, each gets the dump signal three times, which the process
 * ignores or leaves at its default action.
 *
 * - handled: the same, ignored, and then SIGALRM, which has a handler.
 *
 * - cancelled: in ten rounds, those that are cancellation points get the dump signal and are
 * cancelled at once. Prints how many were, and how many should have been.
 *
 * - uid UID: four other ones fall asleep before the process becomes that user (libc interrupts all
 * threads to tell them, and the kernel restarts these), and the others after. Prints "asleep", and
 * ends at a line on its standard input.
 *
 * Prints for each: the call, its result, errno, milliseconds, and those that the call says were
 * left.
 */
#include "test/programs/sleeps_calls.h"

enum { POKES = 3 };

static const struct kind {
    const char *name;
    long (*call)(long *left);
    void (*release)(void);
} kinds[] = {
#define KIND(name)                                                                                 \
    {                                                                                              \
#name, wait_##name, NULL                                                                   \
    }
#define RELEASED(name)                                                                             \
    {                                                                                              \
#name, wait_##name, release_##name                                                         \
    }
    RELEASED(msgrcv),
    RELEASED(semop),
    RELEASED(pause),
    RELEASED(sigsuspend),
    RELEASED(sigwaitinfo),
    RELEASED(poll_ever),
    KIND(write_whole),
    KIND(writev_whole),
    KIND(send_whole),
    KIND(sendmsg_whole),
    {"recv_whole", wait_recv_whole, release_ways},
    KIND(recv_timed),
    KIND(read_timed),
    KIND(accept_timed),
    KIND(futex),
    KIND(futex_until),
    KIND(sem_timedwait),
    KIND(sem_clockwait),
    KIND(semtimedop),
    KIND(sigtimedwait),
    KIND(poll),
    KIND(ppoll),
    KIND(ppoll_masked),
    KIND(select),
    KIND(pselect),
    KIND(epoll_wait),
    KIND(epoll_pwait),
    KIND(epoll_pwait2),
    KIND(nanosleep),
    KIND(nanosleep_alone),
    KIND(clock_nanosleep),
    KIND(clock_nanosleep_until),
    KIND(sleep),
    KIND(usleep),
    KIND(thrd_sleep),
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct sleeper {
    pthread_t thread;
    long result, left;
    int error, over;
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
    __atomic_store_n(&s->over, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void start(void)
{
    for (int i = 0; i < KINDS; i++) {
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

/* ---- calls that the kernel restarts ---- */

__attribute__((noinline)) static void *before_read(void *arg)
{
    char c;
    return read(never[0], &c, 1) == 1 ? NULL : arg;
}

__attribute__((noinline)) static void *before_accept(void *arg)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    listen(s, 1);
    return accept(s, NULL, NULL) >= 0 ? NULL : arg;
}

__attribute__((noinline)) static void *before_sem_wait(void *arg)
{
    sem_t s;
    sem_init(&s, 0, 0);
    return sem_wait(&s) == 0 ? NULL : arg;
}

__attribute__((noinline)) static void *before_cond_wait(void *arg)
{
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&m);
    return pthread_cond_wait(&c, &m) == 0 ? NULL : arg;
}

static void start_before(void)
{
    static void *(*const calls[])(void *) = {before_read, before_accept, before_sem_wait,
                                             before_cond_wait};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, calls[i], never)) {
            exit(2);
        }
    }
}

/* By the system call alone, so that no hook of libc's functions sees it. */
static void rest(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    while (syscall(SYS_nanosleep, &t, &t) != 0 && errno == EINTR) {
    }
}

static int cancel(void)
{
    enum { ROUNDS = 10 };
    int first = 0;
    int cancelled = 0;
    while (strcmp(kinds[first].name, "poll") != 0) {
        first++;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = first; i < KINDS; i++) {
            if (pthread_create(&sleepers[i].thread, NULL, sleeper, &sleepers[i])) {
                exit(2);
            }
        }
        rest(0.02);
        for (int i = first; i < KINDS; i++) {
            pthread_kill(sleepers[i].thread, SIGUSR2);
            pthread_cancel(sleepers[i].thread);
        }
        for (int i = first; i < KINDS; i++) {
            void *result;
            pthread_join(sleepers[i].thread, &result);
            cancelled += result == PTHREAD_CANCELED;
        }
    }
    tidy();
    printf("%d %d\n", cancelled, ROUNDS * (KINDS - first));
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "ignored";
    struct sigaction alarm_action = {.sa_handler = on_alarm};
    if (pipe(never) != 0) {
        return 2;
    }
    prepare();
    sigaction(SIGALRM, &alarm_action, NULL);
    if (strcmp(how, "unhandled") != 0) {
        signal(SIGUSR2, SIG_IGN);
    }
    if (strcmp(how, "uid") == 0 && argc > 2) {
        char line;
        seconds = 60;
        tidy(); /* which the other user may not: two of the calls fail there */
        start_before();
        rest(0.3);
        if (setgid((gid_t)atoi(argv[2])) || setuid((uid_t)atoi(argv[2]))) {
            return 2;
        }
        start();
        rest(0.3);
        puts("asleep");
        fflush(stdout);
        _exit(read(0, &line, 1) == 1 ? 0 : 3);
    }
    if (strcmp(how, "cancelled") == 0) {
        return cancel();
    }
    start();
    for (int i = 0; i < POKES; i++) {
        rest(seconds / (POKES + 1));
        poke(SIGUSR2);
    }
    if (strcmp(how, "handled") == 0) {
        rest(0.1);
        poke(SIGALRM);
    }
    rest(seconds / (POKES + 1));
    for (int i = 0; i < KINDS; i++) {
        if (kinds[i].release && !__atomic_load_n(&sleepers[i].over, __ATOMIC_ACQUIRE)) {
            kinds[i].release();
        }
    }
    for (int i = 0; i < KINDS; i++) {
        const struct sleeper *s = &sleepers[i];
        pthread_join(s->thread, NULL);
        printf("%s %ld %d %.0f %ld\n", kinds[i].name, s->result, s->error, s->took * 1000, s->left);
    }
    tidy();
    return 0;
}
