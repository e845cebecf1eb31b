/* SPDX-License-Identifier: MIT
 * A process with 8 busy threads that forks, vforks, spawns (N times each) or execs itself (N
 * times), and checks each status, the number of SIGCHLDs and that no stranger is among its
 * children. Each child burns some CPU and allocates. At the end it prints what getrusage says it
 * and its children have used. Run by e2e/children_storm.py as `children_storm fork|vfork|spawn|exec
 * N`.
 */
#include "truth.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUSY = 8, CHILD_NS = 3000000, EXEC_NS = 20000000 };

extern char **environ;
static volatile int stop;
static volatile sig_atomic_t sigchlds;
static char *self_path;

static void on_child(int signal)
{
    (void)signal;
    sigchlds++;
}

SITE void burn_until(int64_t until)
{
    while (thread_cpu_ns() < until)
        spin_a_little();
}

static void *busy(void *arg)
{
    (void)arg;
    /* The busy threads are always ready to run, but of low priority: the program waits for 3,200
     * children. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
    for (unsigned i = 1; !stop; i++) {
        void *p = malloc(i % 512);
        keep(p);
        spin_a_little();
        free(p);
    }
    return NULL;
}

SITE int leaf(int code)
{
    void *kept = malloc(100000);
    keep(kept);
    burn_until(thread_cpu_ns() + CHILD_NS);
    return code;
}

static pid_t start(const char *how, char *code)
{
    char *argv[] = {self_path, "leaf", code, NULL};
    pid_t child = -1;
    if (strcmp(how, "spawn") == 0) {
        must(posix_spawn(&child, self_path, NULL, NULL, argv, environ) == 0, "posix_spawn");
    } else if (strcmp(how, "vfork") == 0) {
        if ((child = vfork()) == 0) {
            execv(self_path, argv);
            _exit(255);
        }
    } else if ((child = fork()) == 0) {
        int status = leaf(atoi(code));
        if (status % 2)
            exit(status);
        _exit(status);
    }
    return child;
}

static void run_children(const char *how, int n)
{
    int right = 0;
    for (int i = 0; i < n; i++) {
        char code[16];
        int status = -1;
        snprintf(code, sizeof code, "%d", i % 200);
        pid_t child = start(how, code);
        pid_t ended = i % 3 ? waitpid(child, &status, 0) : wait(&status);
        right += ended == child && WIFEXITED(status) && WEXITSTATUS(status) == i % 200;
    }
    printf("%d right, %d SIGCHLD, ", right, (int)sigchlds);
    printf("%s\n", wait(NULL) == -1 && errno == ECHILD ? "no stranger" : "a stranger");
}

static void exec_again(int left)
{
    char rest[16];
    char *argv[] = {self_path, "exec", rest, NULL};
    snprintf(rest, sizeof rest, "%d", left - 1);
    burn_until(thread_cpu_ns() + EXEC_NS);
    execv(self_path, argv);
    must(0, "exec");
}

static double used(int who)
{
    struct rusage r;
    getrusage(who, &r);
    return (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    pthread_t thread[BUSY];
    sigset_t chld;
    must(argc == 3, "usage");
    if (strcmp(argv[1], "leaf") == 0)
        return leaf(atoi(argv[2]));
    self_path = argv[0];
    signal(SIGCHLD, on_child);
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &chld, NULL); /* delivered to the main thread only */
    for (int i = 0; i < BUSY; i++)
        must(pthread_create(&thread[i], NULL, busy, NULL) == 0, "pthread_create");
    pthread_sigmask(SIG_UNBLOCK, &chld, NULL);
    if (strcmp(argv[1], "exec") != 0)
        run_children(argv[1], atoi(argv[2]));
    else if (atoi(argv[2]) > 0)
        exec_again(atoi(argv[2]));
    stop = 1;
    for (int i = 0; i < BUSY; i++)
        pthread_join(thread[i], NULL);
    printf("{\"used\": %.6f}\n", used(RUSAGE_SELF) + used(RUSAGE_CHILDREN));
    return 0;
}
