/* SPDX-License-Identifier: MIT
 * Makes a child in one of the ways in which Linux can, and lets it end in one of its ways:
 *
 *     births WAY END [threads|handler|grandchild|closed|shared|spawns]...
 *
 * The parent allocates in site_before and burns CPU in burn_before; the child does so in
 * site_in_child and burn_in_child, unless END is "idle". threads: other threads allocate and free
 * meanwhile, so that some hold locks of the library at the birth; each has a heap arena of its own,
 * for the child must find its own heap unlocked. handler: in a signal handler. grandchild: the
 * child makes the one that works, in the same way. closed: the child closes all its descriptors.
 * shared: the child waits for a lock that lies in shared memory. spawns: the child first starts a
 * program by vfork, which shares its memory. Prints the id of the child that
 * works, and how it ended. Run by e2e/forks.py.
 */
#include "truth.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEFORE = 32, IN_CHILD = 64, BYTES = 4096, THREADS = 3, STACK = 1 << 16, MS = 1000000 };

pid_t _Fork(void);

struct shared {
    pthread_mutex_t lock;
    volatile pid_t worker; /* the child that works */
    volatile int ready;
};
static struct shared *shared;
static const char *way, *end;
static bool grandchild, closed, waits, spawns;

SITE void burn_before(void)
{
    int64_t until = thread_cpu_ns() + 60 * MS;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

SITE void burn_in_child(void)
{
    int64_t until = thread_cpu_ns() + 60 * MS;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

SITE void site_before(void)
{
    for (int i = 0; i < BEFORE; i++)
        keep(malloc(BYTES));
}

SITE void site_in_child(void)
{
    for (int i = 0; i < IN_CHILD; i++)
        keep(malloc(BYTES));
}

SITE void wait_in_child(void)
{
    pthread_mutex_lock(&shared->lock);
    pthread_mutex_unlock(&shared->lock);
}

static void *hammer(void *arg)
{
    for (;;) {
        void *p[16];
        for (int i = 0; i < 16; i++)
            keep(p[i] = malloc(64 + (size_t)i * 16));
        for (int i = 0; i < 16; i++)
            free(p[i]);
    }
    return arg;
}

static void child(void)
{
    if (closed)
        syscall(SYS_close_range, 0, ~0U, 0);
    if (strcmp(end, "idle") == 0)
        _exit(3);
    if (waits)
        wait_in_child();
    if (spawns) {
        pid_t other = vfork();
        if (other == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(9);
        }
        waitpid(other, NULL, 0);
    }
    site_in_child();
    burn_in_child();
    shared->ready = 1;
    if (strcmp(end, "exit") == 0)
        exit(3);
    if (strcmp(end, "_exit") == 0)
        _exit(3);
    if (strcmp(end, "exec") == 0) {
        execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
        _exit(9);
    }
    for (;;) /* "TERM": until the parent's signal comes */
        usleep(1000);
}

static void make_and_wait(void);

/* What make() does after it has returned 0 in the other ways. */
static void born(bool middle)
{
    if (middle) {
        make_and_wait();
        _exit(0);
    }
    child();
}

static int child_begins(void *middle)
{
    born(*(bool *)middle);
    return 0;
}

/* A fork that goes past libc. */
static long inline_clone(void)
{
#ifdef __x86_64__
    long result;
    register long tid_at __asm__("r10") = 0;
    register long tls __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(SIGCHLD), "S"(0), "d"(0), "r"(tid_at), "r"(tls)
                     : "rcx", "r11", "memory");
    return result;
#else
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static pid_t make(bool middle)
{
    static char stacks[2][STACK] __attribute__((aligned(16))); /* the child's, the grandchild's */
    static int used;
    struct clone_args args = {.exit_signal = SIGCHLD};
    if (strcmp(way, "fork") == 0)
        return fork();
    if (strcmp(way, "_Fork") == 0)
        return _Fork();
#ifdef SYS_fork
    if (strcmp(way, "sys_fork") == 0)
        return (pid_t)syscall(SYS_fork);
#endif
    if (strcmp(way, "sys_clone") == 0)
        return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (strcmp(way, "sys_clone3") == 0)
        return (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (strcmp(way, "inline") == 0)
        return (pid_t)inline_clone();
    if (strcmp(way, "clone") == 0)
        return clone(child_begins, stacks[used++] + STACK, SIGCHLD, &middle);
    return (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_FILES | CLONE_FS, 0, 0, 0, 0);
}

static void make_and_wait(void)
{
    int status;
    bool middle = grandchild;
    grandchild = false;
    if (waits)
        pthread_mutex_lock(&shared->lock);
    pid_t made = make(middle);
    if (made == 0)
        born(middle);
    if (made < 0)
        exit(8);
    if (waits) {
        usleep(20000);
        pthread_mutex_unlock(&shared->lock);
    }
    if (!middle && strcmp(end, "TERM") == 0) {
        while (!shared->ready)
            usleep(1000);
        kill(made, SIGTERM);
    }
    waitpid(made, &status, 0);
    if (!middle) {
        shared->worker = made;
        shared->ready = status;
    }
}

static void on_signal(int sig)
{
    (void)sig;
    make_and_wait();
}

int main(int argc, char **argv)
{
    bool handler = false;
    way = argv[1];
    end = argv[2];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t both;
    pthread_mutexattr_init(&both);
    pthread_mutexattr_setpshared(&both, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->lock, &both);
    for (int i = 3; i < argc; i++) {
        handler |= strcmp(argv[i], "handler") == 0;
        grandchild |= strcmp(argv[i], "grandchild") == 0;
        closed |= strcmp(argv[i], "closed") == 0;
        waits |= strcmp(argv[i], "shared") == 0;
        spawns |= strcmp(argv[i], "spawns") == 0;
        for (int t = 0; strcmp(argv[i], "threads") == 0 && t < THREADS; t++) {
            pthread_t thread;
            pthread_create(&thread, NULL, hammer, NULL);
        }
    }
    site_before();
    burn_before();
    if (handler) {
        signal(SIGUSR1, on_signal);
        raise(SIGUSR1);
    } else {
        make_and_wait();
    }
    printf("%d %d\n", (int)shared->worker, shared->ready);
    fflush(stdout);
    return 0;
}
