/* SPDX-License-Identifier: MIT
 * Threads with names that burn CPU time, wait for each other, and sleep; run by
 * e2e/told_apart.py. Prints a line of JSON: for each thread and name its id, and the CPU time that
 * it has spent under that name. With an argument, that many threads end one after the other.
 */
#include "truth.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char name[16];
    int tid;
    long long ns;
} book[16];
static int booked;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int gettid_(void)
{
    return (int)syscall(SYS_gettid);
}

SITE void burn(const char *name, int64_t ns)
{
    int64_t began = thread_cpu_ns();
    while (thread_cpu_ns() - began < ns)
        spin_a_little();
    int at = __atomic_fetch_add(&booked, 1, __ATOMIC_RELAXED);
    strcpy(book[at].name, name);
    book[at].tid = gettid_();
    book[at].ns = thread_cpu_ns() - began;
}

static void *named_by_libc(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "by libc");
    burn("by libc", 150000000);
    return NULL;
}

static void *renamed(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "before");
    burn("before", 200000000);
    prctl(PR_SET_NAME, "after");
    burn("after", 100000000);
    return NULL;
}

/* In a thread of clone(), which has its creator's thread block. */
static int raw_main(void *arg)
{
    (void)arg;
    syscall(SYS_prctl, PR_SET_NAME, "raw");
    burn("raw", 150000000);
    return 0;
}

static void run(void *(*f)(void *))
{
    pthread_t t;
    must(pthread_create(&t, NULL, f, NULL) == 0, "pthread_create");
    pthread_join(t, NULL);
}

static void run_raw(void)
{
    enum { STACK = 1 << 18 };
    static pid_t alive = -1;
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                      CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(clone(raw_main, stack + STACK, flags, NULL, NULL, NULL, &alive) > 0, "clone");
    while (__atomic_load_n(&alive, __ATOMIC_ACQUIRE) != 0)
        usleep(1000); /* without CPU time of its own, which a late signal would charge to what
                         follows */
}

static pthread_barrier_t meet;

SITE void hold(void)
{
    pthread_mutex_lock(&lock);
    pthread_barrier_wait(&meet);
    usleep(100000);
    pthread_mutex_unlock(&lock);
    keep(&lock); /* no tail call: this function stays in the stack */
}

SITE void wait_for_it(void)
{
    pthread_barrier_wait(&meet);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    keep(&lock);
}

static void *holder(void *arg)
{
    prctl(PR_SET_NAME, "holder");
    hold();
    *(int *)arg = gettid_();
    pause();
    return NULL;
}

static void *waiter(void *arg)
{
    prctl(PR_SET_NAME, "waiter");
    wait_for_it();
    *(int *)arg = gettid_();
    pause();
    return NULL;
}

static void meet_at_lock(int tids[2])
{
    pthread_t t[2];
    must(pthread_barrier_init(&meet, NULL, 2) == 0, "barrier");
    must(pthread_create(&t[0], NULL, holder, &tids[0]) == 0, "pthread_create");
    must(pthread_create(&t[1], NULL, waiter, &tids[1]) == 0, "pthread_create");
    while (!__atomic_load_n(&tids[0], __ATOMIC_RELAXED) ||
           !__atomic_load_n(&tids[1], __ATOMIC_RELAXED))
        usleep(1000);
}

static void print(const int tids[2])
{
    printf("{\"pid\": %d, \"holder\": %d, \"waiter\": %d, \"burnt\": [", (int)getpid(), tids[0],
           tids[1]);
    for (int i = 0; i < booked; i++)
        printf("%s[\"%s\", %d, %lld]", i ? ", " : "", book[i].name, book[i].tid, book[i].ns);
    printf("]}\n");
    fflush(stdout);
}

static void *ends(void *arg)
{
    for (int64_t end = thread_cpu_ns() + 2000000; thread_cpu_ns() < end;)
        spin_a_little();
    return arg;
}

int main(int argc, char **argv)
{
    int tids[2] = {0, 0};
    for (int i = 0; argc > 1 && i < atoi(argv[1]); i++)
        run(ends);
    if (argc > 1)
        return 0;
    run(named_by_libc);
    run(renamed);
    run_raw();
    burn("named_threads", 100000000);
    if (fork() == 0) {
        booked = 0;
        prctl(PR_SET_NAME, "child");
        burn("child", 150000000);
        print(tids);
        exit(0);
    }
    wait(NULL);
    meet_at_lock(tids);
    print(tids);
    return 0;
}
