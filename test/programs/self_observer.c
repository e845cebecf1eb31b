/* SPDX-License-Identifier: MIT
 * A program that observes itself while its dump is given names: it asks for a dump and, for the
 * seconds given as its argument, counts what it must not see: a child to wait for, a SIGCHLD,
 * another descriptor, another thread. Prints the counts. Run by e2e/names_unseen.py.
 */
#include "truth.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_child(int sig)
{
    (void)sig;
    signals++;
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

SITE void site_unseen(void)
{
    keep(malloc(1 << 20));
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_child};
    sigaction(SIGCHLD, &action, NULL);
    site_unseen();
    int64_t seconds = argc > 1 ? atoi(argv[1]) : 1;
    int fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    int children = 0, more_fds = 0, more_threads = 0, looks = 0;
    kill(getpid(), SIGUSR2);
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    do {
        if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
            children++;
        more_fds += entries("/proc/self/fd") != fds;
        more_threads += entries("/proc/self/task") != threads;
        looks++;
        usleep(500);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    printf("children %d signals %d fds %d threads %d looks %d\n", children, (int)signals, more_fds,
           more_threads, looks);
    return 0;
}
