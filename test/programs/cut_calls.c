/* SPDX-License-Identifier: MIT
 *
 * What a program may see of a call that the dump signal has cut, beyond its result: the mask in
 * which cleanup and handlers run, whether a cancellation comes in where it may not, whole messages.
 * The process ignores SIGUSR2, or has a handler for it. Each line of its output is a case, and the
 * same without the library. With the argument "once" it tells instead how a wait for a child ends
 * after a handler that runs once has run; without the library it would be killed there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what all cases need ---- */

/* Those that libc keeps to itself are left out. */
static uint64_t blocked(void)
{
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
    return mask & ~(3ULL << 31);
}

/* By the system call, which no hook sees. */
static void rest(long ms)
{
    struct timespec t = {0, ms * 1000000};
    syscall(SYS_nanosleep, &t, NULL);
}

/* Until that thread sleeps. */
static void asleep(pid_t tid)
{
    char path[64];
    char line[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    for (int tries = 0; tries < 5000; tries++) {
        rest(2);
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
        long n = syscall(SYS_read, fd, line, sizeof line - 1);
        syscall(SYS_close, fd);
        const char *state = n > 0 ? strrchr(line, ')') : NULL;
        if (state && state[2] == 'S') {
            return;
        }
    }
    exit(2);
}

static struct sleeper {
    pthread_t thread;
    volatile pid_t tid;
    int which;
} sleeper;

static void begins(void)
{
    sleeper.tid = (pid_t)syscall(SYS_gettid);
}

static void start(void *(*f)(void *), int which)
{
    sleeper.tid = 0;
    sleeper.which = which;
    if (pthread_create(&sleeper.thread, NULL, f, &sleeper.which)) {
        exit(2);
    }
    while (!sleeper.tid) {
        sched_yield();
    }
    asleep(sleeper.tid);
}

static void send_it(int sig)
{
    pthread_kill(sleeper.thread, sig);
    asleep(sleeper.tid);
}

static void *ends(void)
{
    void *result;
    pthread_join(sleeper.thread, &result);
    return result;
}

/* ---- calls that take a mask, or not ---- */

enum { POLL, NANOSLEEP, PAUSE, SELECT, EPOLL_WAIT, SIGSUSPEND, PPOLL, PSELECT, EPOLL_PWAIT, MOST };

/* Waits for that long at most, and meanwhile blocks the signals of a set. */
static int wait_in(int call, int ms, const sigset_t *set)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    struct timeval v = {t.tv_sec, t.tv_nsec / 1000};
    struct epoll_event event;
    int result = -1;
    int epoll = epoll_create1(0);
    switch (call) {
    case POLL:
        result = poll(NULL, 0, ms);
        break;
    case NANOSLEEP:
        result = nanosleep(&t, NULL);
        break;
    case PAUSE:
        result = pause();
        break;
    case SELECT:
        result = select(0, NULL, NULL, NULL, &v);
        break;
    case EPOLL_WAIT:
        result = epoll_wait(epoll, &event, 1, ms);
        break;
    case SIGSUSPEND:
        result = sigsuspend(set);
        break;
    case PPOLL:
        result = ppoll(NULL, 0, &t, set);
        break;
    case PSELECT:
        result = pselect(0, NULL, NULL, NULL, &t, set);
        break;
    case EPOLL_PWAIT:
        result = epoll_pwait(epoll, &event, 1, ms, set);
        break;
    default:
        break;
    }
    close(epoll);
    return result;
}

static volatile uint64_t seen;

static void look(void *unused)
{
    (void)unused;
    seen = blocked();
}

static void *cancelled(void *which)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_cleanup_push(look, NULL);
    begins();
    wait_in(*(int *)which, 60000, &none);
    pthread_cleanup_pop(0);
    return NULL;
}

/* A thread whose sleep goes on is cancelled in it. */
static void cancellations(void)
{
    for (int call = 0; call < MOST; call++) {
        seen = 1;
        start(cancelled, call);
        send_it(SIGUSR2);
        pthread_cancel(sleeper.thread);
        int was = ends() == PTHREAD_CANCELED;
        printf("cancelled in %d: %d, blocked %llx\n", call, was, (unsigned long long)seen);
    }
}

static void handler(int sig)
{
    (void)sig;
    seen = blocked();
}

static jmp_buf out;
static void jump(int sig)
{
    (void)sig;
    longjmp(out, 1);
}

/* The program blocks all signals but while it waits. */
static void handlers(void)
{
    struct sigaction act = {.sa_handler = handler};
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigaction(SIGUSR2, &act, NULL);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (volatile int call = SIGSUSPEND; call < MOST; call++) {
        raise(SIGUSR2);
        int result = wait_in(call, 60000, &none);
        printf("handled in %d: %d, blocked %llx\n", call, result, (unsigned long long)seen);
    }
    act.sa_handler = jump;
    act.sa_flags = SA_NODEFER;
    sigaction(SIGUSR2, &act, NULL);
    raise(SIGUSR2);
    if (_setjmp(out) == 0) {
        sigsuspend(&none);
    }
    printf("left by longjmp: blocked %llx\n", (unsigned long long)blocked());
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    signal(SIGUSR2, SIG_IGN);
}

static volatile int came;
static void comes(int sig)
{
    (void)sig;
    came++;
}

static void *masked(void *which)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    begins();
    int result = wait_in(*(int *)which, 400, &set);
    printf("masked in %d: %d, then %d\n", *(int *)which, result, came);
    return NULL;
}

/* While it waits a call blocks a signal that has come. */
static void masks(void)
{
    signal(SIGUSR1, comes);
    for (int call = PPOLL; call < MOST; call++) {
        came = 0;
        start(masked, call);
        send_it(SIGUSR1);
        send_it(SIGUSR2);
        ends();
    }
}

/* ---- a handler leaves a sleep by longjmp ---- */

static sigjmp_buf away;
static void leave(int sig)
{
    (void)sig;
    siglongjmp(away, 1);
}

__attribute__((noinline)) static void left(void)
{
    if (sigsetjmp(away, 1) == 0) {
        poll(NULL, 0, 60000);
    }
}

/* Sleeps by a system call that no hook sees, on the stack where the hook's frame was. */
__attribute__((noinline)) static void inline_poll(void)
{
    char room[400];
    long result;
    __asm__ volatile("" ::"r"(room) : "memory");
#ifdef __x86_64__
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_poll), "D"(0), "S"(0), "d"(100L)
                     : "rcx", "r11", "memory");
#else
    struct timespec t = {0, 100000000};
    result = syscall(SYS_ppoll, NULL, 0, &t, NULL, 0);
#endif
    (void)result;
}

static void *leaves(void *unused)
{
    begins();
    left();
    while (!came) {
        inline_poll();
    }
    seen = blocked();
    return unused;
}

static void longjmps(void)
{
    signal(SIGALRM, leave);
    came = 0;
    start(leaves, 0);
    send_it(SIGALRM);
    send_it(SIGUSR2);
    came = 1;
    ends();
    printf("longjmp: blocked %llx\n", (unsigned long long)seen);
}

/* ---- no cancellation points ---- */

static uint32_t word;
static int set;

static void *uncancelled(void *which)
{
    static const struct timespec long_time = {60, 0};
    struct sembuf take = {0, -1, 0};
    begins();
    came = *(int *)which == 0
               ? (int)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &long_time, NULL, 0)
               : semop(set, &take, 1);
    pthread_testcancel();
    return NULL;
}

static void no_cancellations(void)
{
    struct sembuf give = {0, 1, 0};
    set = semget(IPC_PRIVATE, 1, 0600);
    for (int which = 0; which < 2; which++) {
        came = -1;
        start(uncancelled, which);
        pthread_cancel(sleeper.thread);
        send_it(SIGUSR2);
        if (which == 0) {
            syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        } else {
            semop(set, &give, 1);
        }
        int was = ends() == PTHREAD_CANCELED;
        printf("no cancellation point %d: %d, cancelled %d\n", which, (int)came, was);
    }
    semctl(set, 0, IPC_RMID);
}

/* ---- messages ---- */

static int pair[2];

enum { RECV_PEEK, RECVFROM, RECVMSG, WAYS };

static void *takes_all(void *which)
{
    char text[9] = "";
    struct iovec v[2] = {{text, 3}, {text + 3, 5}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    ssize_t got;
    begins();
    if (*(int *)which == RECV_PEEK) {
        got = recv(pair[0], text, 8, MSG_WAITALL | MSG_PEEK);
    } else if (*(int *)which == RECVFROM) {
        got = recvfrom(pair[0], text, 8, MSG_WAITALL, NULL, NULL);
    } else {
        got = recvmsg(pair[0], &m, MSG_WAITALL);
    }
    printf("all of it %d: %zd %s\n", *(int *)which, got, text);
    return NULL;
}

static void connection(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &size) ||
        connect(pair[1], (struct sockaddr *)&at, size)) {
        exit(2);
    }
    pair[0] = accept(listener, NULL, NULL);
    close(listener);
}

static void wholes(void)
{
    for (int which = 0; which < WAYS; which++) {
        connection();
        send(pair[1], "abcd", 4, 0);
        start(takes_all, which);
        send_it(SIGUSR2);
        send(pair[1], "efgh", 4, 0);
        ends();
        close(pair[0]);
        close(pair[1]);
    }
}

/* One message of more pieces than the library goes on with, or of none. */
static void *sends(void *which)
{
    enum { PIECES = 20 };
    char bytes[PIECES] = "";
    struct iovec v[PIECES];
    for (int i = 0; i < PIECES; i++) {
        v[i] = (struct iovec){bytes + i, *(int *)which == 0};
    }
    struct msghdr m = {.msg_iov = v, .msg_iovlen = PIECES};
    begins();
    long sent = sendmsg(pair[1], &m, 0);
    printf("message %d: %ld\n", *(int *)which, sent);
    return NULL;
}

static void messages(void)
{
    struct timeval t = {60, 0};
    char text[64];
    for (int which = 0; which < 2; which++) {
        int n = 0;
        socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
        setsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
        while (send(pair[1], "x", 1, MSG_DONTWAIT) == 1) {
            n++;
        }
        start(sends, which);
        send_it(SIGUSR2);
        while (n-- > 0) {
            recv(pair[0], text, sizeof text, 0);
        }
        ends();
        ssize_t got = recv(pair[0], text, sizeof text, MSG_DONTWAIT);
        ssize_t more = recv(pair[0], text, sizeof text, MSG_DONTWAIT);
        printf("message %d came: %zd, %zd\n", which, got, more);
        close(pair[0]);
        close(pair[1]);
    }
}

/* ---- a handler that runs once ---- */

static void *waits(void *child)
{
    begins();
    errno = 0;
    int got = waitpid(*(int *)child, NULL, 0) == *(int *)child;
    printf("waited: %d, errno %d\n", got, errno);
    return NULL;
}

static void once(void)
{
    struct sigaction act = {.sa_handler = comes, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGUSR2, &act, NULL);
    raise(SIGUSR2);
    pid_t child = fork();
    if (child == 0) {
        pause();
    }
    start(waits, child);
    send_it(SIGUSR2);
    kill(child, SIGKILL);
    ends();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "once") == 0) {
        once();
        return 0;
    }
    signal(SIGUSR2, SIG_IGN);
    cancellations();
    handlers();
    masks();
    longjmps();
    no_cancellations();
    wholes();
    messages();
    return 0;
}
