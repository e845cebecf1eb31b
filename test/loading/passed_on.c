/* SPDX-License-Identifier: MIT
 *
 * Calls each of the functions of passes_on.c, which is linked in or preloaded, and prints what was
 * counted: the same under the library as without it, for the library's own calls are no calls of
 * the program's.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern void passes_report(void) __attribute__((weak));
extern int __sigaction(int, const struct sigaction *, struct sigaction *);

static int whole; /* not beside an allocator that lacks pvalloc() */
static volatile sig_atomic_t got;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_signal(int sig)
{
    got += sig;
}

static void *keep(void *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static void nothing(void)
{
}

static void *thread(void *arg)
{
    pthread_mutex_lock(&mutex);
    free(keep(malloc(100)));
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void allocate(void)
{
    void *p = keep(malloc(10));
    p = keep(realloc(p, 1000));
    p = keep(reallocarray(p, 50, 50));
    free(p);
    free(keep(calloc(3, 7)));
    free(keep(memalign(64, 100)));
    free(keep(aligned_alloc(64, 128)));
    free(keep(valloc(100)));
    if (whole) {
        free(keep(pvalloc(100)));
    }
    if (posix_memalign(&p, 64, 100) == 0) {
        free(keep(p));
    }
}

static void words(void)
{
    char a[40];
    char b[40];
    memset(a, 'x', sizeof a);
    a[39] = 0;
    memcpy(b, a, sizeof a);
    memmove(b + 1, b, 30);
    got += memcmp(a, b, sizeof a) != 0;
    got += strcmp(a, b) != 0;
    got += strlen(a) != 39;
    got += strchr(a, 'y') != NULL;
    got += strstr(a, "xy") != NULL;
    got += getenv("NO_SUCH_NAME") != NULL;
    sched_yield();
}

static void signals(void)
{
    static const int sigs[] = {SIGUSR1, SIGPROF, SIGUSR2, SIGTERM};
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        struct sigaction act = {.sa_handler = on_signal};
        struct sigaction old;
        sigset_t set;
        sigaction(sigs[i], &act, &old);
        raise(sigs[i]);
        __sigaction(sigs[i], &act, NULL);
        raise(sigs[i]);
        signal(sigs[i], on_signal);
        raise(sigs[i]);
        sysv_signal(sigs[i], on_signal);
        raise(sigs[i]);
        sigaction(sigs[i], &old, NULL);
        sigemptyset(&set);
        sigaddset(&set, sigs[i]);
        sigprocmask(SIG_BLOCK, &set, NULL);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        sighold(sigs[i]);
        sigrelse(sigs[i]);
        sigignore(sigs[i]);
        siginterrupt(sigs[i], 1);
        sigaction(sigs[i], &old, NULL);
    }
}

static void in_child(void (*run)(void))
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        run();
        _exit(9);
    }
    waitpid(pid, &status, 0);
    printf("child %d\n", status);
}

static char *const argv_true[] = {"true", NULL};

static void run_v(void)
{
    execv("/nonexistent/true", argv_true);
    execv("/bin/true", argv_true);
}

static void run_ve(void)
{
    execve("/bin/true", argv_true, environ);
}

static void run_vp(void)
{
    execvp("no-such-program-here", argv_true);
    execvp("true", argv_true);
}

static void run_l(void)
{
    execl("/bin/true", "true", NULL);
}

static void run_lp(void)
{
    execlp("true", "true", NULL);
}

static void run_report(void)
{
    if (passes_report) {
        passes_report();
    }
    fflush(stdout);
    _exit(7);
}

int main(int argc, char **argv)
{
    pthread_t t;
    pthread_key_t key;
    whole = argc < 2 || !argv[1];
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (int i = 0; i < 200; i++) {
        allocate();
    }
    signals();
    words();
    pthread_once(&once, nothing);
    pthread_key_create(&key, free);
    for (int i = 0; i < 10; i++) {
        pthread_create(&t, NULL, thread, NULL);
        pthread_join(t, NULL);
    }
    void *library = dlopen("libm.so.6", RTLD_NOW);
    if (library) {
        dlclose(library);
    }
    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    in_child(run_v);
    in_child(run_ve);
    in_child(run_vp);
    in_child(run_l);
    in_child(run_lp);
    in_child(run_report);
    printf("signals %d\n", (int)got);
    run_report();
}
