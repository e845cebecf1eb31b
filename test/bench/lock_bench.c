/* SPDX-License-Identifier: MIT
 * What locks cost. `lock_bench mutex|mutex-of-condition|rwlock|sem one|many`: an uncontended pair
 * of calls (the second: for a mutex with which a condition has been waited for), in a process with
 * one thread or with two (of which the other sleeps); prints ns of CPU time a pair,
 * the best of some medians as in malloc_bench. `lock_bench contended`: a lock that another thread
 * holds, taken once a round, and `lock_bench condition`: a condition wait and its signal a round;
 * prints ns of CPU time of the process a round twice: by libc's own functions, and by those that
 * the program gets. A condition's rounds also take and release its mutex, uncontended, twice: by
 * the program's functions in both ways, or, as `lock_bench condition-and-locks`, in each its own.
 * The two take turns every few milliseconds, so that what else the machine does is in both. Two
 * threads on one processor hand over to each other by futexes of their own, without libc, and
 * neither takes the processor from the other when it is woken: the switches of a round are always
 * the same. Run by scripts/bench-locks.
 */
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { GROUPS = 3, CHUNKS = 15, OPS = 200000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;

static void mutex_pairs(void)
{
    for (int i = 0; i < OPS; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

static void wait_for_condition(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&cond, &mutex, &now);
    pthread_mutex_unlock(&mutex);
}

static void rwlock_pairs(void)
{
    for (int i = 0; i < OPS / 2; i++) {
        pthread_rwlock_rdlock(&rwlock);
        pthread_rwlock_unlock(&rwlock);
        pthread_rwlock_wrlock(&rwlock);
        pthread_rwlock_unlock(&rwlock);
    }
}

static void sem_pairs(void)
{
    for (int i = 0; i < OPS; i++) {
        sem_wait(&sem);
        sem_post(&sem);
    }
}

static double cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *sleep_on(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void uncontended(void (*work)(void), const char *threads)
{
    double best = 1e9, chunk[CHUNKS];
    pthread_t other;
    sem_init(&sem, 0, 1);
    if (strcmp(threads, "many") == 0)
        pthread_create(&other, NULL, sleep_on, NULL);
    work();
    for (int g = 0; g < GROUPS; g++) {
        for (int c = 0; c < CHUNKS; c++) {
            double began = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
            work();
            chunk[c] = (cpu_ns(CLOCK_THREAD_CPUTIME_ID) - began) / OPS;
        }
        qsort(chunk, CHUNKS, sizeof chunk[0], by_value);
        best = chunk[CHUNKS / 2] < best ? chunk[CHUNKS / 2] : best;
    }
    printf("%.3f\n", best);
}

/* ---- rounds ---- */

/* A PIECE is so many rounds in one way. */
enum { LIBC, PROGRAM, WAYS };
enum { PIECE = 200, PIECES = 200, ROUNDS = PIECE * PIECES * WAYS };

static struct {
    int (*lock)(pthread_mutex_t *m), (*unlock)(pthread_mutex_t *m);
    int (*wait)(pthread_cond_t *c, pthread_mutex_t *m), (*signal)(pthread_cond_t *c);
} by[WAYS] = {
    [PROGRAM] = {pthread_mutex_lock, pthread_mutex_unlock, pthread_cond_wait, pthread_cond_signal},
};

static void *in_libc(const char *name, const char *version)
{
    void *function = dlvsym(dlopen("libc.so.6", RTLD_NOW), name, version);
    if (!function)
        exit(1);
    return function;
}

static void find_libc(void)
{
    by[LIBC].lock = in_libc("pthread_mutex_lock", "GLIBC_2.2.5");
    by[LIBC].unlock = in_libc("pthread_mutex_unlock", "GLIBC_2.2.5");
    by[LIBC].wait = in_libc("pthread_cond_wait", "GLIBC_2.3.2");
    by[LIBC].signal = in_libc("pthread_cond_signal", "GLIBC_2.3.2");
}

static int way_of(uint32_t round)
{
    return (int)((round - 1) / PIECE % WAYS);
}

static _Atomic uint32_t to_other, to_main;
static int events, going;

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
    register long r10 __asm__("r10") = 0;
    long result = SYS_futex;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(word), "S"((long)op), "d"((long)value), "r"(r10)
                     : "rcx", "r11", "memory");
}

static void tell(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store(word, value);
    futex(word, FUTEX_WAKE_PRIVATE, 1);
}

static void await(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t seen;
    while ((seen = atomic_load(word)) != value)
        futex(word, FUTEX_WAIT_PRIVATE, seen);
}

static double piece[WAYS][PIECES];

static void note(uint32_t i)
{
    static double began;
    if (i % PIECE != 0)
        return;
    if (i > 0)
        piece[way_of(i)][(i / PIECE - 1) / WAYS] =
            (cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - began) / PIECE;
    began = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void *locks_after(void *arg)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        int way = way_of(i);
        await(&to_other, i);
        by[way].lock(&mutex);
        by[way].unlock(&mutex);
        tell(&to_main, i);
    }
    return arg;
}

static void contend(void)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        int way = way_of(i);
        by[way].lock(&mutex);
        tell(&to_other, i);
        sched_yield(); /* it runs, and stops at the lock */
        events += mutex.__data.__lock > 1;
        by[way].unlock(&mutex);
        await(&to_main, i);
        note(i);
    }
}

static bool locks_apart;

static void *waits_often(void *arg)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        int way = way_of(i);
        int locks = locks_apart ? PROGRAM : way;
        by[locks].lock(&mutex);
        tell(&to_main, i);
        while (!going) {
            events++;
            by[way].wait(&cond, &mutex);
        }
        going = 0;
        by[locks].unlock(&mutex);
    }
    return arg;
}

static void signal_often(void)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        int way = way_of(i);
        int locks = locks_apart ? PROGRAM : way;
        await(&to_main, i);
        by[locks].lock(&mutex);
        going = 1;
        by[way].signal(&cond);
        by[locks].unlock(&mutex);
        note(i);
    }
}

/* What else the machine does only adds to a round's time, by more than a lock costs: the lowest
 * tenth of the pieces is the figure. */
static void rounds(void (*work)(void), void *(*others)(void *))
{
    struct sched_param none = {0};
    pthread_t other;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    sched_setscheduler(0, SCHED_BATCH, &none);
    find_libc();
    note(0);
    pthread_create(&other, NULL, others, NULL);
    work();
    pthread_join(other, NULL);
    if (events < ROUNDS / 100 * 99 || events > ROUNDS / 100 * 101)
        exit(1); /* not what is to be measured */
    for (int way = 0; way < WAYS; way++)
        qsort(piece[way], PIECES, sizeof piece[way][0], by_value);
    printf("%.3f %.3f\n", piece[LIBC][PIECES / 10], piece[PROGRAM][PIECES / 10]);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(mode, "mutex") == 0)
        uncontended(mutex_pairs, argv[2]);
    else if (argc == 3 && strcmp(mode, "mutex-of-condition") == 0) {
        wait_for_condition();
        uncontended(mutex_pairs, argv[2]);
    } else if (argc == 3 && strcmp(mode, "rwlock") == 0)
        uncontended(rwlock_pairs, argv[2]);
    else if (argc == 3 && strcmp(mode, "sem") == 0)
        uncontended(sem_pairs, argv[2]);
    else if (strcmp(mode, "contended") == 0)
        rounds(contend, locks_after);
    else if (strncmp(mode, "condition", strlen("condition")) == 0) {
        locks_apart = strcmp(mode, "condition") == 0;
        rounds(signal_often, waits_often);
    } else
        return 2;
    return 0;
}
