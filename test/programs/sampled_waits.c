/* SPDX-License-Identifier: MIT */
/*
 * Many short waits, of which the profiles sample some. `sampled_waits block` waits 100,000 times
 * for about 10 µs (site_short) and 10,000 times for about 100 µs (site_long) for a semaphore that
 * is never posted; `sampled_waits mutex` has 4 pairs of threads of which one holds a lock 1,500
 * times for 200 µs while the other waits (site_release). Prints how often and how long, by the
 * program's own clock. A wait is counted as disturbed if its thread lost its processor, perhaps
 * between the program's reading of the clock and the library's. Run by e2e/block_mutex.py.
 */
#include "truth.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <time.h>

enum { SHORT = 100000, LONG = 10000, PAIRS = 4, ROUNDS = 1500, HOLD_US = 200 };

static struct timespec in(int64_t ns)
{
    int64_t at = clock_ns(CLOCK_MONOTONIC) + ns;
    return (struct timespec){at / 1000000000, at % 1000000000};
}

SITE int site_short(sem_t *s, const struct timespec *until)
{
    return sem_clockwait(s, CLOCK_MONOTONIC, until) + 1;
}

SITE int site_long(sem_t *s, const struct timespec *until)
{
    return sem_clockwait(s, CLOCK_MONOTONIC, until) + 1;
}

struct waits {
    int (*site)(sem_t *s, const struct timespec *until);
    long n, us;
    int64_t total;
    int64_t disturbed; /* ns of that in disturbed waits */
};

static void *wait_often(void *arg)
{
    struct waits *w = arg;
    sem_t s;
    sem_init(&s, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1);
    for (long i = 0; i < w->n; i++) {
        long before = times_preempted();
        struct timespec until = in(w->us * 1000);
        int64_t began = clock_ns(CLOCK_MONOTONIC);
        must(w->site(&s, &until) == 0, "a wait without end");
        int64_t took = clock_ns(CLOCK_MONOTONIC) - began;
        w->total += took;
        w->disturbed += times_preempted() != before ? took : 0;
    }
    return NULL;
}

static void many_short(void)
{
    struct waits waits[2] = {{site_short, SHORT, 10, 0, 0}, {site_long, LONG, 100, 0, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, wait_often, &waits[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("{\"site_short\": [%d, %ld, %ld], \"site_long\": [%d, %ld, %ld]}\n", SHORT,
           (long)waits[0].total, (long)waits[0].disturbed, LONG, (long)waits[1].total,
           (long)waits[1].disturbed);
}

struct pair {
    pthread_mutex_t lock;
    sem_t round, about, through;
    int64_t began, held_up;
};

SITE void site_release(pthread_mutex_t *m)
{
    must(pthread_mutex_unlock(m) == 0, "unlock");
}

static void pause_us(int us)
{
    struct timespec t = {0, us * 1000};
    nanosleep(&t, NULL);
}

static void *wait_in_pair(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < ROUNDS; i++) {
        sem_wait(&p->round);
        p->began = clock_ns(CLOCK_MONOTONIC);
        sem_post(&p->about);
        pthread_mutex_lock(&p->lock);
        pthread_mutex_unlock(&p->lock);
        sem_post(&p->through);
    }
    return NULL;
}

static void *hold_in_pair(void *arg)
{
    struct pair *p = arg;
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&p->lock);
        sem_post(&p->round);
        sem_wait(&p->about);
        pause_us(HOLD_US);
        p->held_up += clock_ns(CLOCK_MONOTONIC) - p->began;
        site_release(&p->lock);
        sem_wait(&p->through);
    }
    return NULL;
}

static void many_releases(void)
{
    static struct pair pairs[PAIRS];
    pthread_t threads[2 * PAIRS];
    int64_t total = 0;
    for (int i = 0; i < PAIRS; i++) {
        pthread_mutex_init(&pairs[i].lock, NULL);
        sem_init(&pairs[i].round, 0, 0);
        sem_init(&pairs[i].about, 0, 0);
        sem_init(&pairs[i].through, 0, 0);
        pthread_create(&threads[2 * i], NULL, hold_in_pair, &pairs[i]);
        pthread_create(&threads[2 * i + 1], NULL, wait_in_pair, &pairs[i]);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < PAIRS; i++)
        total += pairs[i].held_up;
    printf("{\"site_release\": [%d, %ld]}\n", PAIRS * ROUNDS, (long)total);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "mutex") == 0)
        many_releases();
    else
        many_short();
    return 0;
}
