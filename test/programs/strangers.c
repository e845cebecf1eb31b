/* SPDX-License-Identifier: MIT
 *
 * Programs that would notice a process of the library's. Each prints one line of what it has seen;
 * that line is the same without the library. Usage: strangers HOW [NUMBER]
 *
 * adopts WHAT: makes itself a subreaper and has children that end by WHAT; counts what wait() gives
 *              that is not one of them. With "threads" in WHAT each child has a sleeping thread.
 * notices:     makes a dump's worth of work, then execs; what the exec'd program hears of SIGCHLD
 *              in 0.2 s, and whether it has a child of any kind.
 * again N:     execs itself N times, after a dump by signal each; then the same.
 * fails:       an exec that fails, and then what is left of children.
 * thread:      execs in a thread while the first thread asks for dumps.
 * collects:    after a dump by signal, sleeps for short times until no child of any kind is left.
 * counts:      ends children, and counts SIGCHLD and what waitid(WNOWAIT) gives.
 * ignores:     the same with SIGCHLD ignored: wait() gives ECHILD once all have ended.
 */
#include "test/programs/truth.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4, BLOCKS = 300, LISTEN_MS = 200 };

static void *volatile kept;

static void allocate(void)
{
    for (int i = 0; i < BLOCKS; i++)
        kept = malloc(10000);
}

static void *sleeps(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void nap_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* 0 = none; also one that only a wait with __WALL sees, but with PPROF_INTERVAL there is one. */
static int has_child(void)
{
    siginfo_t info;
    int all = getenv("PPROF_INTERVAL") ? 0 : __WALL;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | all) == 0 || errno != ECHILD;
}

static void work_and_end(const char *what)
{
    pthread_t thread;
    allocate();
    if (strstr(what, "threads"))
        pthread_create(&thread, NULL, sleeps, NULL);
    if (strstr(what, "quick"))
        quick_exit(0);
    if (strstr(what, "now"))
        _exit(0);
    if (strstr(what, "term"))
        raise(SIGTERM);
    if (strstr(what, "exec"))
        execl("/bin/true", "true", (char *)NULL);
    exit(0);
}

static int adopts(const char *what)
{
    int strange = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        if (child == 0)
            work_and_end(what);
        for (pid_t got = 0; got != child; strange += got != child)
            got = waitpid(-1, NULL, 0);
    }
    nap_ms(LISTEN_MS);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        strange++;
    printf("strangers %d\n", strange);
    return 0;
}

static void block_sigchld(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* After the exec: SIGCHLD is blocked since before it. */
static int listens(void)
{
    sigset_t set;
    struct timespec t = {0, LISTEN_MS * 1000000L};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    int heard = sigtimedwait(&set, NULL, &t) == SIGCHLD;
    printf("SIGCHLD %d child %d\n", heard, has_child());
    return 0;
}

static int becomes(char *self, const char *how, int n)
{
    char number[16];
    snprintf(number, sizeof number, "%d", n);
    execl("/proc/self/exe", self, how, number, (char *)NULL);
    return 9;
}

static int again(char *self, int n)
{
    block_sigchld();
    allocate();
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    nap_ms(n % 2 ? 30 : 0); /* the dump has ended, or goes on */
    return becomes(self, n ? "again" : "listens", n - 1);
}

static int fails(void)
{
    allocate();
    execl("/", "no program", (char *)NULL);
    execl("/proc/self/maps", "no program", (char *)NULL);
    printf("child %d\n", has_child());
    return 0;
}

static void *execs(void *self)
{
    nap_ms(20);
    becomes(self, "listens", 0);
    return NULL;
}

static int thread(char *self)
{
    pthread_t other;
    block_sigchld();
    signal(SIGUSR2, SIG_IGN);
    pthread_create(&other, NULL, execs, self);
    for (;;) {
        allocate();
        kill(getpid(), SIGUSR2);
    }
    return 9;
}

static int collects(void)
{
    allocate();
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    for (int i = 0; i < 1000 && has_child(); i++)
        poll(NULL, 0, 10);
    printf("child %d\n", has_child());
    return 0;
}

static volatile sig_atomic_t heard;

static void on_child(int sig)
{
    (void)sig;
    heard++;
}

static int counts(void)
{
    struct sigaction act = {.sa_handler = on_child};
    sigaction(SIGCHLD, &act, NULL);
    int strange = 0;
    allocate();
    for (int i = 0; i < CHILDREN; i++) {
        siginfo_t info;
        pid_t child = fork();
        if (child == 0)
            work_and_end(i % 2 ? "threads" : "");
        while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0)
            ;
        strange += info.si_pid != child;
        waitpid(child, NULL, 0);
    }
    nap_ms(LISTEN_MS);
    printf("SIGCHLD %d strangers %d child %d\n", heard, strange, has_child());
    return 0;
}

static int ignores(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0)
            work_and_end(i % 2 ? "threads" : "");
    int got = wait(NULL);
    printf("wait %d ECHILD %d child %d\n", got, errno == ECHILD, has_child());
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    const char *what = argc > 2 ? argv[2] : "";
    setvbuf(stdout, NULL, _IONBF, 0);
    if (strcmp(how, "adopts") == 0)
        return adopts(what);
    if (strcmp(how, "listens") == 0)
        return listens();
    if (strcmp(how, "notices") == 0) {
        block_sigchld();
        allocate();
        return becomes(argv[0], "listens", 0);
    }
    if (strcmp(how, "again") == 0)
        return again(argv[0], atoi(what));
    if (strcmp(how, "fails") == 0)
        return fails();
    if (strcmp(how, "thread") == 0)
        return thread(argv[0]);
    if (strcmp(how, "collects") == 0)
        return collects();
    if (strcmp(how, "counts") == 0)
        return counts();
    if (strcmp(how, "ignores") == 0)
        return ignores();
    return 2;
}
