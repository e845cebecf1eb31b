/* SPDX-License-Identifier: MIT
 *
 * A program with a handler of its own for SIGUSR2, the dump signal, which it sends to itself in
 * every way: by a timer, a message queue, asynchronous input and output, sigqueue(), raise(), a
 * descriptor's F_SETSIG. All of them are its own. Prints how often the handler ran. Usage:
 * own_dump_signal [flood]: flood ends it while a timer sends one each millisecond.
 */
#include "test/programs/truth.h"
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t ran;

static void on_signal(int sig)
{
    (void)sig;
    ran++;
}

static void until(int n)
{
    int64_t end = clock_ns(CLOCK_MONOTONIC) + 5000000000;
    while (ran < n && clock_ns(CLOCK_MONOTONIC) < end)
        usleep(1000);
}

static void by_timer(int64_t ns)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec spec = {{0, 0}, {0, 1000000}};
    timer_t timer;
    spec.it_interval.tv_nsec = ns;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &spec, NULL);
}

static void by_queue(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char name[64];
    snprintf(name, sizeof name, "/own-dump-signal-%d", (int)getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
    if (queue == (mqd_t)-1) { /* this machine has none */
        raise(SIGUSR2);
        return;
    }
    mq_unlink(name);
    mq_notify(queue, &event);
    mq_send(queue, "x", 1, 0);
}

static void by_aio(void)
{
    static char byte;
    static struct aiocb block;
    block.aio_fildes = open("/dev/zero", O_RDONLY);
    block.aio_buf = &byte;
    block.aio_nbytes = 1;
    block.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    block.aio_sigevent.sigev_signo = SIGUSR2;
    aio_read(&block);
}

static void by_descriptor(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    fcntl(ends[0], F_SETOWN, getpid());
    fcntl(ends[0], F_SETSIG, SIGUSR2);
    fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
    if (write(ends[1], "x", 1) != 1)
        return;
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    union sigval value = {0};
    (void)argv;
    sigaction(SIGUSR2, &act, NULL);
    if (argc > 1) {
        by_timer(1000000);
        until(3);
        return 0;
    }
    by_timer(0);
    until(1);
    by_queue();
    until(2);
    by_aio();
    until(3);
    by_descriptor();
    until(4);
    sigqueue(getpid(), SIGUSR2, value);
    until(5);
    raise(SIGUSR2);
    until(6);
    kill(getpid(), SIGUSR2);
    until(7);
    printf("%d\n", (int)ran);
    return 0;
}
