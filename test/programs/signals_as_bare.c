/* SPDX-License-Identifier: MIT
 * A program that masks, sends and handles signals in ways that a profiler with timers of its own
 * easily disturbs (signal_modes.h).
 */
#include "signal_modes.h"
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* X/Open's */

/* ---- masks ---- */

static jmp_buf out_of_handler;

static void jump(int sig)
{
    (void)sig;
    came++;
    longjmp(out_of_handler, 1);
}

/* A handler is left by a longjmp that restores no mask; the program unblocks the signal itself. */
static void left_by_longjmp(void)
{
    handle(SIGPROF, jump, 0, false);
    for (volatile int i = 0; i < 4; i++) {
        if (_setjmp(out_of_handler) == 0)
            raise(SIGPROF);
        printf("%d ", is_blocked(SIGPROF));
        burn(20);
        mask(SIG_UNBLOCK, SIGPROF);
        printf("%d %d\n", is_blocked(SIGPROF), (int)came);
    }
}

static ucontext_t above, below;

static void jump_by_context(int sig)
{
    (void)sig;
    came++;
    setcontext(&above);
}

/* The same by setcontext(), which restores the mask that getcontext() has seen. */
static void left_by_setcontext(void)
{
    volatile int rounds = 0;
    handle(SIGPROF, jump_by_context, 0, false);
    getcontext(&above);
    printf("%d %d\n", is_blocked(SIGPROF), (int)came);
    burn(20);
    if (rounds++ < 4)
        raise(SIGPROF);
}

/* Two contexts, one with SIGPROF blocked: the mask goes with the context. */
static char context_stack[64 << 10];
static void in_the_other(void)
{
    printf("%d ", is_blocked(SIGPROF));
    burn(20);
    mask(SIG_UNBLOCK, SIGPROF);
    swapcontext(&below, &above);
    printf("%d ", is_blocked(SIGPROF));
}

static void two_contexts(void)
{
    mask(SIG_BLOCK, SIGPROF);
    getcontext(&below);
    mask(SIG_UNBLOCK, SIGPROF);
    below.uc_stack.ss_sp = context_stack;
    below.uc_stack.ss_size = sizeof context_stack;
    below.uc_link = &above;
    makecontext(&below, in_the_other, 0);
    swapcontext(&above, &below);
    printf("%d ", is_blocked(SIGPROF));
    swapcontext(&above, &below);
    printf("%d\n", is_blocked(SIGPROF));
}

static volatile sig_atomic_t inside, nested;

static void long_handler(int sig)
{
    (void)sig;
    nested += inside;
    inside = 1;
    for (int i = 0; i < 20; i++)
        spin_a_little();
    inside = 0;
    came++;
}

/* Two handlers that exclude each other by sa_mask are never one inside the other. */
static void handlers_exclude_each_other(void)
{
    struct itimerval prof = {{0, 4000}, {0, 4000}}, real = {{0, 1000}, {0, 1000}},
                     off = {{0, 0}, {0, 0}};
    handle(SIGALRM, long_handler, SA_RESTART, true);
    handle(SIGPROF, long_handler, SA_RESTART, true);
    setitimer(ITIMER_PROF, &prof, NULL);
    setitimer(ITIMER_REAL, &real, NULL);
    while (came < 200)
        spin_a_little();
    setitimer(ITIMER_PROF, &off, NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    printf("%d\n", (int)nested);
}

static void saves_and_restores(int sig)
{
    sigset_t all, before;
    (void)sig;
    came++;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* A handler that blocks everything for a moment leaves the thread's mask and timer as they were. */
static void handler_restores_mask(void)
{
    struct itimerval every = {{0, 4000}, {0, 4000}}, now;
    handle(SIGPROF, saves_and_restores, SA_RESTART, false);
    setitimer(ITIMER_PROF, &every, NULL);
    while (came < 20)
        burn(1);
    getitimer(ITIMER_PROF, &now);
    printf("%d %d\n", is_blocked(SIGPROF), (int)now.it_interval.tv_usec / 1000);
}

/* Masks of all ones, which libc's own signals must not be in. */
static void masks_of_ones(void)
{
    sigset_t ones, now;
    int sig = 0;
    struct timespec at_once = {0, 0};
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    memset(&ones, 0xff, sizeof ones);
    memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGPROF, NULL, &action);
    printf("%d ", memcmp(&action.sa_mask, &ones, 8));
    sigprocmask(SIG_SETMASK, &ones, NULL);
    burn(50);
    sigprocmask(SIG_SETMASK, NULL, &now);
    for (int i = 1; i <= 64; i++)
        printf("%d", sigismember(&now, i));
    for (int i = 0; i < 200; i++) {
        burn(1);
        errno = 0;
        int got = sigtimedwait(&ones, NULL, &at_once);
        sig |= got > 0 ? got : errno != EAGAIN;
    }
    raise(SIGPROF);
    printf(" %d %d", sig, sigwaitinfo(&ones, NULL));
    sigemptyset(&now);
    sigprocmask(SIG_SETMASK, &now, NULL);
    raise(SIGPROF);
    printf(" %d\n", (int)came);
}

/* The kernel, not a crash, answers a bad pointer to a mask. */
static void bad_masks(void)
{
    void *volatile nowhere = (void *)8;
    struct timespec none = {0, 0};
    struct epoll_event event;
    int fd = epoll_create1(0), sig;
    printf("%d", sigprocmask(SIG_BLOCK, NULL, nowhere) == -1 ? errno : 0);
    printf(" %d", sigsuspend(nowhere) == -1 ? errno : 0);
    printf(" %d", ppoll(NULL, 0, &none, nowhere) == -1 ? errno : 0);
    printf(" %d", pselect(0, NULL, NULL, NULL, &none, nowhere) == -1 ? errno : 0);
    printf(" %d", epoll_pwait(fd, &event, 1, 0, nowhere) == -1 ? errno : 0);
    printf(" %d", sigtimedwait(nowhere, NULL, &none) == -1 ? errno : 0);
    printf(" %d", signalfd(-1, nowhere, 0) == -1 ? errno : 0);
    printf(" %d", sigwait(nowhere, &sig));
    printf(" %d\n", sigpending(nowhere) == -1 ? errno : 0);
}

/* ---- sending and receiving ---- */

static volatile int acknowledged, stop;

static void acknowledge(int sig)
{
    (void)sig;
    __atomic_fetch_add(&acknowledged, 1, __ATOMIC_SEQ_CST);
}

static void *busy(void *arg)
{
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
        spin_a_little();
    return arg;
}

/* Each pthread_kill() is acknowledged before the next one: none is lost. */
static void none_lost(void)
{
    enum { SENT = 3000 };
    pthread_t thread;
    handle(SIGPROF, acknowledge, SA_RESTART, false);
    pthread_create(&thread, NULL, busy, NULL);
    for (int i = 1; i <= SENT; i++) {
        pthread_kill(thread, SIGPROF);
        while (__atomic_load_n(&acknowledged, __ATOMIC_SEQ_CST) < i)
            sched_yield();
    }
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    printf("%d\n", acknowledged);
}

static volatile int64_t said[3];

static void note(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    (void)sig;
    said[0] = info->si_code * 1000 + info->si_value.sival_int;
    said[1] = info->si_pid == getpid() && info->si_uid == getuid();
    said[2] = sigismember(&uc->uc_sigmask, SIGPROF) + 2 * is_blocked(SIGPROF) +
              4 * is_blocked(SIGUSR2) + 8 * is_blocked(SIGHUP);
}

/* A handler learns value, code and sender, and runs with the mask that it asked for. */
static void values_and_senders(void)
{
    const int used[] = {SIGPROF, SIGUSR2, SIGUSR1};
    for (int i = 0; i < 3; i++) {
        for (int flags = 0; flags < 4; flags++) {
            struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO}, now;
            action.sa_flags |= (flags & 1 ? SA_NODEFER : 0) | (flags & 2 ? (int)SA_RESETHAND : 0);
            sigaddset(&action.sa_mask, SIGHUP);
            sigaction(used[i], &action, NULL);
            sigqueue(getpid(), used[i], (union sigval){.sival_int = 7 + i});
            sigaction(used[i], NULL, &now);
            printf("%d %d %d %d, ", (int)said[0], (int)said[1], (int)said[2],
                   now.sa_handler == SIG_DFL);
        }
        printf("\n");
    }
}

/* What is pending is dropped when the signal is ignored, and stays when a handler is set. */
static void pending_and_ignored(void)
{
    const int used[] = {SIGPROF, SIGUSR2, SIGUSR1, SIGTERM};
    for (int i = 0; i < 4; i++) {
        sigset_t pending;
        for (int ignores = 0; ignores < 2; ignores++) {
            came = 0;
            signal(used[i], count);
            mask(SIG_BLOCK, used[i]);
            raise(used[i]);
            signal(used[i], ignores ? SIG_IGN : count);
            sigpending(&pending);
            signal(used[i], count);
            mask(SIG_UNBLOCK, used[i]);
            printf("%d %d, ", sigismember(&pending, used[i]), (int)came);
        }
    }
    printf("\n");
}

/* The calls of X/Open. */
static void by_xopen(void)
{
    const int used[] = {SIGPROF, SIGUSR2, SIGUSR1, SIGTERM};
    for (int i = 0; i < 4; i++) {
        came = 0;
        int first = sigset(used[i], count) == SIG_DFL;
        int second = sigset(used[i], SIG_HOLD) == count;
        raise(used[i]);
        int third = sigset(used[i], count) == SIG_HOLD;
        sighold(used[i]);
        raise(used[i]);
        int held = (int)came;
        sigrelse(used[i]);
        printf("%d%d%d %d %d %d, ", first, second, third, held, (int)came,
               sigset(used[i], SIG_IGN) == count);
    }
    printf("\n");
}

/* How a child ends of a signal that is left at its default. */
static void fatal(void)
{
    const int used[] = {SIGPROF, SIGVTALRM, SIGUSR1, SIGTERM};
    for (int i = 0; i < 4; i++) {
        int status = 0;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            burn(5);
            raise(used[i]);
            _exit(3);
        }
        waitpid(child, &status, 0);
        printf("%d ", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    }
    printf("\n");
}

static const struct mode modes[] = {
    {"left_by_longjmp", left_by_longjmp},
    {"left_by_setcontext", left_by_setcontext},
    {"two_contexts", two_contexts},
    {"handlers_exclude_each_other", handlers_exclude_each_other},
    {"handler_restores_mask", handler_restores_mask},
    {"masks_of_ones", masks_of_ones},
    {"bad_masks", bad_masks},
    {"none_lost", none_lost},
    {"values_and_senders", values_and_senders},
    {"pending_and_ignored", pending_and_ignored},
    {"by_xopen", by_xopen},
    {"fatal", fatal},
};

MAIN_OF_MODES(modes)
