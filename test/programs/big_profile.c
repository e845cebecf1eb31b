/* SPDX-License-Identifier: MIT
 * What a program notices of a dump. It makes STACKS distinct stacks at rate 1, so that the heap
 * profile is larger than 12 MB, then reads its clock in a loop. From the input line "begin" to
 * "end" it records the longest time between two readings (also without the time that it waited for
 * a processor) and its number of threads, descriptors, children and SIGCHLDs; at "end" it prints
 * them. Run by e2e/dump_pause.py as `big_profile main|exited [STACKS]`; with "exited" the main
 * thread ends by pthread_exit and another thread does this.
 */
#include "truth.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 56, MS = 1000000, SUSPECT = 50000 };

static long stacks = 200000;
static void *last;
static volatile sig_atomic_t sigchlds;

/* Each bit of the pattern picks one of two call sites: as many stacks as patterns. */
SITE void twist(unsigned long pattern, int depth)
{
    if (depth == 0) {
        last = malloc(48);
        keep(last);
    } else if (pattern & 1) {
        twist(pattern >> 1, depth - 1);
        __asm__ volatile("# one" : : : "memory");
    } else {
        twist(pattern >> 1, depth - 1);
        __asm__ volatile("# zero" : : : "memory");
    }
}

static void on_sigchld(int signal)
{
    (void)signal;
    sigchlds++;
}

/* Entries of a procfs folder by raw calls: opendir would allocate. -1 when it cannot be read. */
static int entries(const char *path)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_DIRECTORY), n = 0;
    long got;
    if (fd < 0)
        return -1;
    while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got; at += *(unsigned short *)(buffer + at + 16))
            n++;
    close(fd);
    return n;
}

struct seen {
    int64_t gap;   /* the longest time between two looks at the clock, ns */
    int64_t pause; /* the same without the time that this thread waited for a processor */
    int threads_least, threads_most, files_least, files_most;
    int children; /* times that wait4 did not say ECHILD */
    long looks;
};

static void look_around(struct seen *s)
{
    int threads = entries("/proc/self/task"), files = entries("/proc/thread-self/fd"), status;
    s->threads_least = threads < s->threads_least ? threads : s->threads_least;
    s->threads_most = threads > s->threads_most ? threads : s->threads_most;
    s->files_least = files < s->files_least ? files : s->files_least;
    s->files_most = files > s->files_most ? files : s->files_most;
    if (wait4(-1, &status, WNOHANG, NULL) != -1 || errno != ECHILD)
        s->children++;
}

/* How long this thread has been ready to run while others ran, ns; 0 where the kernel keeps no
 * such account. */
static int64_t waited(void)
{
    static __thread int fd = -1;
    char line[128] = "";
    if (fd < 0)
        fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    long got = pread(fd, line, sizeof line - 1, 0);
    char *space = strchr(line, ' ');
    return got > 0 && space != NULL ? strtoll(space, NULL, 10) : 0;
}

static void print_seen(const struct seen *s)
{
    printf("{\"gap_us\": %.1f, \"pause_us\": %.1f, \"threads\": [%d, %d], \"files\": [%d, %d], "
           "\"children\": %d, \"sigchlds\": %d, \"looks\": %ld}\n",
           (double)s->gap / 1000, (double)s->pause / 1000, s->threads_least, s->threads_most,
           s->files_least, s->files_most, s->children, (int)sigchlds, s->looks);
    fflush(stdout);
}

/* The first letter of the next line of input if one has arrived, 0 if none has, 'q' at the end of
 * input. */
static char command(void)
{
    char line[64];
    ssize_t got = read(0, line, sizeof line);
    return got > 0 ? line[0] : got == 0 ? 'q' : 0;
}

static void *watch(void *arg)
{
    struct seen seen = {0};
    int64_t before = clock_ns(CLOCK_MONOTONIC), polled = before, idle = waited();
    fcntl(0, F_SETFL, O_NONBLOCK);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int64_t now = clock_ns(CLOCK_MONOTONIC);
        seen.looks++;
        seen.gap = now - before > seen.gap ? now - before : seen.gap;
        if (now - before > SUSPECT) {
            int64_t pause = now - before - (waited() - idle);
            seen.pause = pause > seen.pause ? pause : seen.pause;
            idle = waited();
        }
        before = now;
        if (now - polled < MS)
            continue;
        polled = now;
        idle = waited();
        look_around(&seen);
        char what = command();
        if (what == 'q')
            return arg;
        if (what == 'e')
            print_seen(&seen);
        if (what == 'b') {
            seen = (struct seen){0, 0, 1 << 20, 0, 1 << 20, 0, 0, 0};
            printf("begun\n");
            fflush(stdout);
        }
        if (what != 0)
            before = clock_ns(CLOCK_MONOTONIC); /* the time that printing takes does not count */
    }
}

static void *watch_and_exit(void *arg)
{
    watch(arg);
    exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (argc > 2)
        stacks = atol(argv[2]);
    struct sigaction action = {.sa_handler = on_sigchld};
    sigaction(SIGCHLD, &action, NULL);
    for (long i = 0; i < stacks; i++)
        twist((unsigned long)i * 0x9e3779b97f4a7c15UL, DEPTH);
    if (strcmp(argv[1], "exited") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, watch_and_exit, NULL);
        pthread_exit(NULL);
    }
    watch(NULL);
    return 0;
}
