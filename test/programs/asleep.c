/* SPDX-License-Identifier: MIT
 * A thread asleep in each of 26 kinds of wait, each in a function of its own, wait_NAME. A wait
 * that ends tells so on stderr, and ends the process with status 9. Run by long/sleepers.py and
 * e2e/sleepers.py, built in many ways: SHAPE 0 as it is; 1: every function has an alloca(); 2: an
 * array of variable length.
 *   asleep HOW     what happens when all are asleep, 0.1 s later main returns 3:
 *       end        nothing
 *       exec       an exec of this program, as `asleep after`, which ends with 3
 *       dump N     N dumps by the signal, to this thread
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG 3600

#ifndef SHAPE
#define SHAPE 0
#endif
volatile size_t some = 100;
#if SHAPE == 1
#define ROOM                                                                                       \
    char *room = alloca(some);                                                                     \
    touch(room)
#elif SHAPE == 2
#define ROOM                                                                                       \
    char room[some];                                                                               \
    touch(room)
#else
#define ROOM                                                                                       \
    char room[40];                                                                                 \
    touch(room)
#endif
__attribute__((noinline)) static void touch(char *room)
{
    *(volatile char *)room = 1;
    __asm__ volatile("" ::: "memory");
}

static int pipe_ends[2], sockets[2], listening, lock_file[2], queue, semaphores, child;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t taken_lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t empty;
static pthread_t forever;
static unsigned word;

static struct timespec far(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += LONG;
    return t;
}

#define WAIT(name, ...)                                                                            \
    __attribute__((noinline)) static long wait_##name(void)                                        \
    {                                                                                              \
        ROOM;                                                                                      \
        struct timespec t = {LONG, 0};                                                             \
        char byte = 0;                                                                             \
        (void)t, (void)byte;                                                                       \
        long result = (__VA_ARGS__);                                                               \
        touch(room);                                                                               \
        return result;                                                                             \
    }

WAIT(read, read(pipe_ends[0], &byte, 1))
WAIT(recv, recv(sockets[0], &byte, 1, 0))
WAIT(eventfd, ({
         uint64_t n;
         read(eventfd(0, 0), &n, sizeof n);
     }))
WAIT(accept, accept(listening, NULL, NULL))
WAIT(poll, ({
         struct pollfd p = {pipe_ends[0], POLLIN, 0};
         poll(&p, 1, LONG * 1000);
     }))
WAIT(ppoll, ({
         struct pollfd p = {pipe_ends[0], POLLIN, 0};
         ppoll(&p, 1, &t, NULL);
     }))
WAIT(select, ({
         struct timeval v = {LONG, 0};
         select(0, NULL, NULL, NULL, &v);
     }))
WAIT(pselect, pselect(0, NULL, NULL, NULL, &t, NULL))
WAIT(epoll, ({
         struct epoll_event e;
         epoll_wait(epoll_create1(0), &e, 1, LONG * 1000);
     }))
WAIT(nanosleep, nanosleep(&t, NULL))
WAIT(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL))
WAIT(usleep, usleep(LONG * 1000000U))
WAIT(sem_wait, sem_wait(&empty))
WAIT(sem_timedwait, (t = far(CLOCK_REALTIME), sem_timedwait(&empty, &t)))
WAIT(cond_wait, ({
         pthread_mutex_lock(&mutex);
         pthread_cond_wait(&never, &mutex);
     }))
WAIT(cond_timedwait, ({
         t = far(CLOCK_REALTIME);
         pthread_mutex_lock(&mutex);
         pthread_cond_timedwait(&never, &mutex, &t);
     }))
WAIT(mutex, pthread_mutex_lock(&taken))
WAIT(rwlock, pthread_rwlock_rdlock(&taken_lock))
WAIT(barrier, pthread_barrier_wait(&barrier))
WAIT(join, pthread_join(forever, NULL))
WAIT(msgrcv, ({
         struct {
             long type;
             char text[8];
         } m;
         msgrcv(queue, &m, sizeof m.text, 0, 0);
     }))
WAIT(semop, ({
         struct sembuf down = {0, -1, 0};
         semop(semaphores, &down, 1);
     }))
WAIT(futex, syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0))
WAIT(sigwaitinfo, ({
         sigset_t set;
         sigemptyset(&set);
         sigaddset(&set, SIGURG);
         sigwaitinfo(&set, NULL);
     }))
WAIT(waitpid, waitpid(child, NULL, 0))
WAIT(flock, flock(lock_file[1], LOCK_EX))
WAIT(io_getevents, ({
         aio_context_t context = 0;
         struct io_event e;
         syscall(SYS_io_setup, 1, &context);
         syscall(SYS_io_getevents, context, 1L, 1L, &e, NULL);
     }))

static const struct {
    const char *name;
    long (*wait)(void);
} kinds[] = {
    {"read", wait_read},
    {"recv", wait_recv},
    {"eventfd", wait_eventfd},
    {"accept", wait_accept},
    {"poll", wait_poll},
    {"ppoll", wait_ppoll},
    {"select", wait_select},
    {"pselect", wait_pselect},
    {"epoll", wait_epoll},
    {"nanosleep", wait_nanosleep},
    {"clock_nanosleep", wait_clock_nanosleep},
    {"usleep", wait_usleep},
    {"sem_wait", wait_sem_wait},
    {"sem_timedwait", wait_sem_timedwait},
    {"cond_wait", wait_cond_wait},
    {"cond_timedwait", wait_cond_timedwait},
    {"mutex", wait_mutex},
    {"rwlock", wait_rwlock},
    {"barrier", wait_barrier},
    {"join", wait_join},
    {"msgrcv", wait_msgrcv},
    {"semop", wait_semop},
    {"futex", wait_futex},
    {"sigwaitinfo", wait_sigwaitinfo},
    {"waitpid", wait_waitpid},
    {"flock", wait_flock},
    {"io_getevents", wait_io_getevents},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };
static volatile int tid[KINDS];

__attribute__((noinline)) static long below_outer(int kind)
{
    ROOM;
    long result = kinds[kind].wait();
    touch(room);
    return result;
}

__attribute__((noinline)) static long outer(int kind)
{
    ROOM;
    long result = below_outer(kind);
    touch(room);
    return result;
}

static void *sleeper(void *arg)
{
    ROOM;
    int kind = (int)(intptr_t)arg;
    tid[kind] = (int)syscall(SYS_gettid);
    long result = outer(kind);
    int error = errno;
    dprintf(2, "wait_%s: %ld, %s\n", kinds[kind].name, result, strerror(error));
    touch(room);
    _exit(9);
}

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        _exit(8);
    }
}

static char state_of(int id)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && read(fd, text, sizeof text - 1) > 0, path);
    close(fd);
    return strrchr(text, ')')[2];
}

static void prepare(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    must(pipe(pipe_ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "pipe");
    struct timeval limit = {LONG, 0};
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    listening = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(listening, (struct sockaddr *)&any, sizeof any.sun_family) == 0, "bind");
    must(listen(listening, 1) == 0, "listen");
    char path[] = "/tmp/pprofinject-asleep-XXXXXX";
    lock_file[0] = mkstemp(path);
    lock_file[1] = open(path, O_RDWR);
    unlink(path);
    must(flock(lock_file[0], LOCK_EX) == 0, "flock");
    queue = msgget(IPC_PRIVATE, 0600);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    printf("{\"queue\": %d, \"semaphores\": %d}\n", queue, semaphores);
    fflush(stdout);
    pthread_barrier_init(&barrier, NULL, 2);
    sem_init(&empty, 0, 0);
    pthread_mutex_lock(&taken);
    pthread_rwlock_wrlock(&taken_lock);
    forever = pthread_self();
    int parent = getpid();
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            sleep(LONG);
        _exit(0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "after") == 0)
        return 3;
    prepare();
    for (int i = 0; i < KINDS; i++) {
        pthread_t t;
        must(pthread_create(&t, NULL, sleeper, (void *)(intptr_t)i) == 0, "pthread_create");
    }
    for (int i = 0; i < KINDS; i++)
        while (tid[i] == 0 || state_of(tid[i]) != 'S')
            usleep(1000);
    usleep(20000);
    if (argc > 1 && strcmp(argv[1], "exec") == 0) {
        execl("/proc/self/exe", "asleep", "after", NULL);
        perror("exec");
        return 7;
    }
    for (int n = argc > 2 ? atoi(argv[2]) : 0; n > 0; n--) {
        raise(SIGUSR2);
        usleep(20000);
    }
    return 3;
}
