// SPDX-License-Identifier: MIT
// While threads wait, the program installs a filter for all its threads that kills the process for
// reading the clock. The library had become inactive, but still read the clock at the end of those
// waits and at the release of their lock. Right: it makes no such call any more.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;

static void *wait_semaphore(void *arg)
{
    sem_wait(&semaphore);
    return arg;
}

static void *wait_mutex(void *arg)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

int main(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    pthread_t threads[2];
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&mutex);
    pthread_create(&threads[0], NULL, wait_semaphore, NULL);
    pthread_create(&threads[1], NULL, wait_mutex, NULL);
    usleep(1200000); /* the length of a tick is measured again after a second */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
        perror("seccomp");
    }
    pthread_mutex_unlock(&mutex);
    sem_post(&semaphore);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    puts("alive");
    return 0;
}
