/* SPDX-License-Identifier: MIT
 * A program that starts programs, uses timers with threads, cancels threads, and has handlers and
 * threads on small stacks, beside a profiler that sends it signals (signal_modes.h).
 */
#include "signal_modes.h"
#include <poll.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/mman.h>

extern char **environ;

/* ---- programs that are started ---- */

static char show_masks[] = "grep -E 'Sig(Blk|Ign)' /proc/self/status";

static void start(int how)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", show_masks, NULL};
    posix_spawnattr_t attr;
    int status;
    pid_t child = 0;
    fflush(stdout);
    switch (how) {
    case 0:
        child = fork();
        if (child == 0) {
            execv("/bin/sh", argv);
            _exit(127);
        }
        break;
    case 1:
        child = vfork(); // NOLINT
        if (child == 0) {
            execv("/bin/sh", argv);
            _exit(127);
        }
        break;
    case 2:
        posix_spawnattr_init(&attr);
        posix_spawn(&child, "/bin/sh", NULL, &attr, argv, environ);
        break;
    case 3:
        printf("%d\n", system(show_masks));
        return;
    default:
        fflush(stdout);
        pclose(popen(show_masks, "w"));
        return;
    }
    waitpid(child, &status, 0);
    printf("%d\n", status);
}

/* The masks that programs begin with, which were started in each way: nothing blocked, SIGPROF
 * blocked, all blocked but by a vfork child that unblocks it, and ignored. */
static void started(void)
{
    sigset_t all, before;
    for (int how = 0; how < 5; how++)
        start(how);
    mask(SIG_BLOCK, SIGPROF);
    for (int how = 0; how < 5; how++)
        start(how);
    mask(SIG_UNBLOCK, SIGPROF);
    signal(SIGPROF, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    for (int how = 0; how < 5; how++)
        start(how);
    fflush(stdout);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t child = vfork(); // NOLINT
    if (child == 0) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        execl("/bin/sh", "sh", "-c", show_masks, NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Many execs while the timers' signals are on their way: none follows into the next program. */
static void exec_storm(void)
{
    enum { EXECS = 150 };
    int died = 0;
    for (int i = 0; i < EXECS; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            burn(3);
            execl("/bin/true", "true", NULL);
            _exit(127);
        }
        waitpid(child, &status, 0);
        died += status != 0;
    }
    printf("%d\n", died);
}

/* ---- timers with threads, cancellation, stacks ---- */

static volatile int expired;

static void on_expiry(union sigval value)
{
    __atomic_fetch_add(&expired, value.sival_int, __ATOMIC_SEQ_CST);
}

/* libc's thread that serves timers waits for the signal that the library uses: a timer that expires
 * 20 times calls its function 20 times. */
static void timer_with_threads(void)
{
    enum { TIMERS = 20 };
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 1};
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    event.sigev_notify_function = on_expiry;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    for (int i = 1; i <= TIMERS; i++) {
        timer_settime(timer, 0, &soon, NULL);
        while (__atomic_load_n(&expired, __ATOMIC_SEQ_CST) < i)
            burn(1);
    }
    burn(50);
    printf("%d\n", expired);
}

static sem_t reached;
static volatile int cleaned;

static void clean(void *arg)
{
    (void)arg;
    burn(2);
    __atomic_fetch_add(&cleaned, 1, __ATOMIC_SEQ_CST);
}

static void *to_be_cancelled(void *arg)
{
    int how = (int)(intptr_t)arg, sig, pipes[2];
    char byte;
    sigset_t usr1 = only(SIGUSR1);
    struct timespec long_ago = {100, 0};
    sem_t never;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    sem_init(&never, 0, 0);
    if (pipe(pipes) != 0)
        return NULL;
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pthread_cleanup_push(clean, NULL);
    if (how == 0)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &sig);
    sem_post(&reached);
    for (;;) {
        switch (how) {
        case 0:
            spin_a_little();
            break;
        case 1:
            spin_a_little();
            pthread_testcancel();
            break;
        case 2:
            poll(NULL, 0, -1);
            break;
        case 3:
            nanosleep(&long_ago, NULL);
            break;
        case 4:
            sem_wait(&never);
            break;
        case 5:
            (void)!read(pipes[0], &byte, 1);
            break;
        case 6:
            pthread_mutex_lock(&mutex);
            pthread_cond_wait(&condition, &mutex);
            break;
        case 7:
            sigwait(&usr1, &sig);
            break;
        case 8: /* no cancellation point in the handler of the next signal */
            pause();
            break;
        default:
            pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &sig);
            pthread_cancel(pthread_self());
        }
    }
    pthread_cleanup_pop(0);
    return NULL;
}

/* Cancellation, in the ways that end in libc's handler of the signal and in those that do not. */
static void cancelled(void)
{
    enum { WAYS = 10, ROUNDS = 12 };
    int wrong = 0;
    sem_init(&reached, 0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread[WAYS];
        for (intptr_t how = 0; how < WAYS; how++)
            pthread_create(&thread[how], NULL, to_be_cancelled, (void *)how);
        for (int how = 0; how < WAYS; how++)
            sem_wait(&reached);
        burn(i);
        for (int how = 0; how < WAYS - 1; how++)
            pthread_cancel(thread[how]);
        for (int how = 0; how < WAYS; how++) {
            void *result;
            pthread_join(thread[how], &result);
            wrong += result != PTHREAD_CANCELED;
        }
    }
    printf("%d %d\n", wrong, cleaned);
}

/* A handler on the alternate stack suspends itself; nothing may use that stack until it goes on. */
static ucontext_t suspended, others;
static char alternate[64 << 10], context_stack[64 << 10];

static void suspend(int sig)
{
    unsigned char mine[6000];
    (void)sig;
    memset(mine, 0x5a, sizeof mine);
    __asm__ volatile("" : : "r"(mine) : "memory");
    swapcontext(&suspended, &others);
    for (size_t i = 0; i < sizeof mine; i++)
        came += mine[i] != 0x5a;
}

static void burn_and_resume(void)
{
    burn(100);
    setcontext(&suspended);
}

static void alternate_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, NULL);
    handle(SIGUSR1, suspend, SA_ONSTACK, false);
    getcontext(&others);
    others.uc_stack.ss_sp = context_stack;
    others.uc_stack.ss_size = sizeof context_stack;
    makecontext(&others, burn_and_resume, 0);
    raise(SIGUSR1);
    printf("%d\n", (int)came);
}

/* An alternate stack that was unmapped does no harm until a handler asks for it. */
static void alternate_stack_unmapped(void)
{
    stack_t stack = {.ss_size = 64 << 10};
    stack.ss_sp =
        mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaltstack(&stack, NULL);
    munmap(stack.ss_sp, stack.ss_size);
    burn(100);
    handle(SIGUSR2, count, 0, false);
    raise(SIGUSR2);
    printf("%d\n", (int)came);
}

/* Threads of PTHREAD_STACK_MIN that use nearly all of it, for each amount in a child of its own. */
static size_t to_use;

static void *use_stack(void *arg)
{
    volatile char *low = __builtin_alloca(to_use);
    memset((char *)low, 1, to_use);
    burn(8);
    for (int i = 0; i < 50; i++)
        free(malloc(100));
    low[0] = 2;
    return arg;
}

static void smallest_stacks(void)
{
    pthread_attr_t attr, seen;
    size_t size, guard;
    void *low;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    for (to_use = 1000; to_use <= 8500; to_use += 1500) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 8; i++) {
                pthread_t thread;
                pthread_create(&thread, &attr, use_stack, NULL);
                if (i == 0) {
                    pthread_getattr_np(thread, &seen);
                    pthread_attr_getstack(&seen, &low, &size);
                    pthread_attr_getguardsize(&seen, &guard);
                    printf("%zu %zu, ", size, guard);
                    fflush(stdout);
                }
                pthread_join(thread, NULL);
            }
            _exit(0);
        }
        waitpid(child, &status, 0);
        printf("%d\n", status);
        fflush(stdout);
    }
}

static const struct mode modes[] = {
    {"started", started},
    {"exec_storm", exec_storm},
    {"timer_with_threads", timer_with_threads},
    {"cancelled", cancelled},
    {"alternate_stack", alternate_stack},
    {"alternate_stack_unmapped", alternate_stack_unmapped},
    {"smallest_stacks", smallest_stacks},
};

MAIN_OF_MODES(modes)
