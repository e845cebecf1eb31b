/* SPDX-License-Identifier: MIT
 *
 * The calls in which the threads of sleeps.c sleep, as a table. *left: what the call says is left,
 * in milliseconds, or -1.
 */
#ifndef PROGRAMS_SLEEPS_CALLS_H
#define PROGRAMS_SLEEPS_CALLS_H

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static double seconds = 2;
static int never[2]; /* a pipe in which nothing comes */

static struct timespec span(void)
{
    return (struct timespec){(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct timespec until(clockid_t clock)
{
    struct timespec t;
    struct timespec s = span();
    clock_gettime(clock, &t);
    t.tv_sec += s.tv_sec + (t.tv_nsec + s.tv_nsec) / 1000000000;
    t.tv_nsec = (t.tv_nsec + s.tv_nsec) % 1000000000;
    return t;
}

static long ms(const struct timespec *t)
{
    return t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

static int epoll(void)
{
    int e = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    epoll_ctl(e, EPOLL_CTL_ADD, never[0], &ev);
    return e;
}

/* ---- calls that end by themselves ---- */

#define CALL(name) __attribute__((noinline)) static long wait_##name(long *left)

CALL(poll)
{
    struct pollfd p = {never[0], POLLIN, 0};
    (void)left;
    return poll(&p, 1, (int)(seconds * 1000));
}

CALL(ppoll)
{
    struct timespec t = span();
    (void)left;
    return ppoll(NULL, 0, &t, NULL);
}

CALL(ppoll_masked)
{
    struct timespec t = span();
    sigset_t none;
    sigemptyset(&none);
    (void)left;
    return ppoll(NULL, 0, &t, &none);
}

CALL(select)
{
    fd_set r;
    FD_ZERO(&r);
    FD_SET(never[0], &r);
    struct timespec s = span();
    struct timeval t = {s.tv_sec, s.tv_nsec / 1000};
    long result = select(never[0] + 1, &r, NULL, NULL, &t);
    *left = t.tv_sec * 1000 + t.tv_usec / 1000;
    return result;
}

CALL(pselect)
{
    struct timespec t = span();
    (void)left;
    return pselect(0, NULL, NULL, NULL, &t, NULL);
}

CALL(epoll_wait)
{
    struct epoll_event ev;
    (void)left;
    return epoll_wait(epoll(), &ev, 1, (int)(seconds * 1000));
}

CALL(epoll_pwait)
{
    struct epoll_event ev;
    sigset_t none;
    sigemptyset(&none);
    (void)left;
    return epoll_pwait(epoll(), &ev, 1, (int)(seconds * 1000), &none);
}

CALL(epoll_pwait2)
{
    struct epoll_event ev;
    struct timespec t = span();
    (void)left;
    return epoll_pwait2(epoll(), &ev, 1, &t, NULL);
}

CALL(nanosleep)
{
    struct timespec t = span();
    long result = nanosleep(&t, &t);
    *left = result ? ms(&t) : -1;
    return result;
}

CALL(nanosleep_alone)
{
    struct timespec t = span();
    (void)left;
    return nanosleep(&t, NULL);
}

CALL(clock_nanosleep)
{
    struct timespec t = span();
    struct timespec rest = {0, 0};
    errno = clock_nanosleep(CLOCK_BOOTTIME, 0, &t, &rest);
    *left = errno ? ms(&rest) : -1;
    return errno ? -1 : 0;
}

CALL(clock_nanosleep_until)
{
    struct timespec t = until(CLOCK_REALTIME);
    (void)left;
    errno = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
    return errno ? -1 : 0;
}

CALL(sleep)
{
    unsigned rest = sleep((unsigned)seconds);
    *left = rest ? rest * 1000L : -1;
    return rest ? -1 : 0;
}

CALL(usleep)
{
    (void)left;
    return usleep((useconds_t)(seconds * 1e6));
}

CALL(thrd_sleep)
{
    struct timespec t = span();
    struct timespec rest = {0, 0};
    long result = thrd_sleep(&t, &rest);
    *left = result ? ms(&rest) : -1;
    return result;
}

/* ---- sockets with a timeout; futexes and semaphores ---- */

static int timed_socket(void)
{
    int s[2];
    struct timespec t = span();
    struct timeval v = {t.tv_sec, t.tv_nsec / 1000};
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &v, sizeof v);
    return s[0];
}

CALL(recv_timed)
{
    char c;
    (void)left;
    return recv(timed_socket(), &c, 1, 0);
}

CALL(read_timed)
{
    char c;
    (void)left;
    return read(timed_socket(), &c, 1);
}

CALL(accept_timed)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct timespec t = span();
    struct timeval v = {t.tv_sec, t.tv_nsec / 1000};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &v, sizeof v);
    listen(s, 1);
    (void)left;
    return accept(s, NULL, NULL);
}

CALL(futex)
{
    static uint32_t word;
    struct timespec t = span();
    (void)left;
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0);
}

CALL(futex_until)
{
    static uint32_t word;
    struct timespec t = until(CLOCK_MONOTONIC);
    (void)left;
    return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &t, NULL, ~0U);
}

CALL(sem_timedwait)
{
    sem_t s;
    sem_init(&s, 0, 0);
    struct timespec t = until(CLOCK_REALTIME);
    (void)left;
    return sem_timedwait(&s, &t);
}

CALL(sem_clockwait)
{
    sem_t s;
    sem_init(&s, 0, 0);
    struct timespec t = until(CLOCK_MONOTONIC);
    (void)left;
    return sem_clockwait(&s, CLOCK_MONOTONIC, &t);
}

CALL(semtimedop)
{
    int set = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf take = {0, -1, 0};
    struct timespec t = span();
    long result = semtimedop(set, &take, 1, &t);
    int error = errno;
    semctl(set, 0, IPC_RMID);
    errno = error;
    (void)left;
    return result;
}

CALL(sigtimedwait)
{
    sigset_t set;
    struct timespec t = span();
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    (void)left;
    return sigtimedwait(&set, NULL, &t);
}

/* ---- calls without an end of their own: release() ends them after SECONDS ---- */

static int queue, set;
static pthread_t waiter[4];

CALL(msgrcv)
{
    struct {
        long type;
        char text[8];
    } m;
    (void)left;
    return msgrcv(queue, &m, sizeof m.text, 0, 0);
}

static void release_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } m = {1, "go on"};
    msgsnd(queue, &m, sizeof m.text, 0);
    msgctl(queue, IPC_STAT, &(struct msqid_ds){0});
}

CALL(semop)
{
    struct sembuf take = {0, -1, 0};
    (void)left;
    return semop(set, &take, 1);
}

static void release_semop(void)
{
    struct sembuf give = {0, 1, 0};
    semop(set, &give, 1);
}

CALL(pause)
{
    (void)left;
    waiter[0] = pthread_self();
    return pause();
}

static void release_pause(void)
{
    pthread_kill(waiter[0], SIGALRM);
}

CALL(sigsuspend)
{
    sigset_t none;
    sigemptyset(&none);
    (void)left;
    waiter[1] = pthread_self();
    return sigsuspend(&none);
}

static void release_sigsuspend(void)
{
    pthread_kill(waiter[1], SIGALRM);
}

CALL(sigwaitinfo)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 1);
    (void)left;
    waiter[2] = pthread_self();
    return sigwaitinfo(&one, NULL) == SIGRTMIN + 1 ? 0 : -1;
}

static void release_sigwaitinfo(void)
{
    pthread_kill(waiter[2], SIGRTMIN + 1);
}

CALL(poll_ever)
{
    sigset_t none;
    struct pollfd p = {never[0], POLLIN, 0};
    sigemptyset(&none);
    (void)left;
    waiter[3] = pthread_self();
    return poll(&p, 1, -1);
}

static void release_poll_ever(void)
{
    pthread_kill(waiter[3], SIGALRM);
}

/* ---- calls that would return a part ---- */

enum { WHOLE = 1 << 20 };
static char whole[WHOLE];
enum { TO_WRITE, TO_WRITEV, TO_SEND, TO_SENDMSG, TO_RECV, WAYS };
static int ways[WAYS][2]; /* from, to */

CALL(write_whole)
{
    (void)left;
    return write(ways[TO_WRITE][1], whole, WHOLE);
}

CALL(writev_whole)
{
    struct iovec v[3] = {{whole, 1000}, {whole, WHOLE / 2}, {whole, WHOLE / 2 - 1000}};
    (void)left;
    return writev(ways[TO_WRITEV][1], v, 3);
}

CALL(send_whole)
{
    (void)left;
    return send(ways[TO_SEND][1], whole, WHOLE, 0);
}

CALL(sendmsg_whole)
{
    struct iovec v[2] = {{whole, 1}, {whole, WHOLE - 1}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    (void)left;
    return sendmsg(ways[TO_SENDMSG][1], &m, 0);
}

CALL(recv_whole)
{
    static char into[WHOLE];
    (void)left;
    return recv(ways[TO_RECV][0], into, WHOLE, MSG_WAITALL);
}

static void *drain(void *from)
{
    static char into[WAYS][1 << 16];
    int *way = from;
    for (long sum = 0, got; sum < WHOLE; sum += got) {
        got = read(way[0], into[(int(*)[2])way - ways], sizeof *into);
        if (got <= 0) {
            break;
        }
    }
    return NULL;
}

static void release_ways(void)
{
    pthread_t t;
    for (int i = 0; i < TO_RECV; i++) {
        pthread_create(&t, NULL, drain, ways[i]);
        pthread_detach(t);
    }
    for (long sum = WHOLE / 16, n = 1; sum < WHOLE && n > 0; sum += n) {
        n = write(ways[TO_RECV][1], whole, (size_t)(WHOLE - sum));
    }
}

static void prepare(void)
{
    queue = msgget(IPC_PRIVATE, 0600);
    set = semget(IPC_PRIVATE, 1, 0600);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN + 1);
    sigaddset(&blocked, SIGRTMIN + 2);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    for (int i = 0; i < WAYS; i++) {
        if (i <= TO_WRITEV ? pipe(ways[i]) : socketpair(AF_UNIX, SOCK_STREAM, 0, ways[i])) {
            exit(2);
        }
    }
    if (write(ways[TO_RECV][1], whole, WHOLE / 16) != WHOLE / 16) {
        exit(2);
    }
}

static void tidy(void)
{
    msgctl(queue, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
}

#endif
