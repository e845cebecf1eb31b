/* SPDX-License-Identifier: MIT */
/*
 * Waits of known length for mutexes of the kind that its argument names: `protect` (with a priority
 * ceiling), `shared` (between a parent and its child), `rates` (the sampling rates change while
 * threads wait), `first` (mutexes that are waited for only once). Prints as its last line what was
 * waited, and which profiles of which process must show it. Run by e2e/block_variants.py.
 */
#include "known_wait.h"
#include "preload/pprofinject.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- mutexes with a priority ceiling: only for threads of a real-time policy ---- */

static struct timespec far;
RELOCK(protect)
WAIT(protect_timed, pthread_mutex_timedlock(&b->m, &far) || pthread_mutex_unlock(&b->m))
RELEASE(protect_timed, pthread_mutex_unlock(&b->m))

static void protect(void)
{
    static struct known_wait waits[] = {
        {"protect", hold_mutex, wait_protect, release_protect, NULL, true, true, .ms = 200},
        {"protect_timed", hold_mutex, wait_protect_timed, release_protect_timed, NULL, true, true,
         .ms = 200},
    };
    enum { CEILING = 2 };
    struct sched_param low = {.sched_priority = 1};
    pthread_attr_t fifo;
    pthread_mutexattr_t a;
    far.tv_sec = time(NULL) + 100;
    pthread_attr_init(&fifo);
    pthread_attr_setinheritsched(&fifo, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&fifo, SCHED_FIFO);
    pthread_attr_setschedparam(&fifo, &low);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    must(pthread_mutexattr_setprioceiling(&a, CEILING) == 0, "ceiling");
    for (int i = 0; i < 2; i++) {
        pthread_t waiter, holder;
        must(pthread_mutex_init(&waits[i].m, &a) == 0, "mutex");
        int err = pthread_create(&waiter, &fifo, wait_side, &waits[i]);
        if (err == EPERM) {
            printf("{\"skipped\": \"no real-time policy is allowed here\"}\n");
            exit(0);
        }
        must(err == 0 && pthread_create(&holder, &fifo, hold_side, &waits[i]) == 0, "threads");
        pthread_join(waiter, NULL);
        pthread_join(holder, NULL);
    }
    print_known_waits(waits, 2, 0);
}

/* ---- between two processes: the profiles of each show its own threads only ---- */

RELOCK(shared_mutex)
WAIT(shared_rwlock, pthread_rwlock_rdlock(&b->l) || pthread_rwlock_unlock(&b->l))
RELEASE(shared_rwlock, pthread_rwlock_unlock(&b->l))
WAIT(shared_sem, sem_wait(&b->s))
RELEASE(shared_sem, sem_post(&b->s))
WAIT(shared_barrier, pthread_barrier_wait(&b->b) > 0)
RELEASE(shared_barrier, pthread_barrier_wait(&b->b) == 0)
SITE void wait_shared_cond(struct known_wait *b)
{
    hold_mutex(b);
    while (!b->done)
        must(pthread_cond_wait(&b->c, &b->m) == 0, "cond");
    pthread_mutex_unlock(&b->m);
}
SITE void release_shared_cond(struct known_wait *b)
{
    hold_mutex(b);
    b->done = true;
    pthread_cond_signal(&b->c);
    pthread_mutex_unlock(&b->m);
}
RELOCK(shared_by_three)
WAIT(shared_by_child, pthread_mutex_lock(&b[-1].m) || pthread_mutex_unlock(&b[-1].m))

static void hold_write(struct known_wait *b)
{
    must(pthread_rwlock_wrlock(&b->l) == 0, "wrlock");
}

/* The parent's holder, with a waiter of its own process and one of the other. */
static void hold_for_two(struct known_wait *b)
{
    hold_mutex(b);
    pthread_create(&b->beside, NULL, wait_side, b);
    atomic_store(&b[1].held, true);
}
static void release_two(struct known_wait *b)
{
    release_shared_by_three(b);
    pthread_join(b->beside, NULL);
}

static void share(struct known_wait *b)
{
    pthread_mutexattr_t ma;
    pthread_rwlockattr_t la;
    pthread_condattr_t ca;
    pthread_barrierattr_t ba;
    pthread_mutexattr_init(&ma);
    pthread_rwlockattr_init(&la);
    pthread_condattr_init(&ca);
    pthread_barrierattr_init(&ba);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_rwlockattr_setpshared(&la, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&b->m, &ma);
    pthread_rwlock_init(&b->l, &la);
    pthread_cond_init(&b->c, &ca);
    pthread_barrier_init(&b->b, &ba, 2);
    sem_init(&b->s, 1, 0);
}

static void shared(void)
{
#define CHILDS(name, hold)                                                                         \
#name, hold, wait_##name, release_##name, NULL, true, false, .in_child = true, .ms = 150
    static const struct known_wait all[] = {
        {CHILDS(shared_mutex, hold_mutex)},
        {CHILDS(shared_rwlock, hold_write)},
        {CHILDS(shared_sem, NULL)},
        {CHILDS(shared_barrier, NULL)},
        {CHILDS(shared_cond, NULL)},
        {"shared_by_three", hold_for_two, wait_shared_by_three, release_two, NULL, true, true,
         .ms = 150},
        {"shared_by_child", NULL, wait_shared_by_child, NULL, NULL, true, false, .in_child = true},
    };
    enum { ALL = sizeof all / sizeof all[0], ONES = ALL - 2 };
    struct known_wait *waits =
        mmap(NULL, sizeof all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memcpy(waits, all, sizeof all);
    for (int i = 0; i < ALL; i++)
        share(&waits[i]);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < ONES; i++)
            wait_side(&waits[i]);
        wait_side(&waits[ALL - 1]);
        exit(0);
    }
    int status = -1;
    for (int i = 0; i <= ONES; i++)
        hold_side(&waits[i]);
    must(waitpid(child, &status, 0) == child && status == 0, "child");
    print_known_waits(waits, ALL, child);
}

/* ---- rates that change ---- */

static void rates(long block, long mutex)
{
    pprof_set_block_profile_rate(block);
    pprof_set_mutex_profile_fraction(mutex);
}
static void both_on(struct known_wait *b)
{
    (void)b;
    rates(1, 1);
}
static void both_off(struct known_wait *b)
{
    (void)b;
    rates(0, 0);
}
static void off_and_on(struct known_wait *b)
{
    both_off(b);
    sleep_ns(20000000);
    both_on(b);
}

/* Each phase has functions of its own, so that none shows another's waits. later_<name> locks the
 * mutex when no thread waits for it: its unlocks must not be charged. */
#define PHASE(name)                                                                                \
    RELOCK(name)                                                                                   \
    SITE void later_##name(struct known_wait *b)                                                   \
    {                                                                                              \
        for (int i = 0; i < 100; i++)                                                              \
            must(pthread_mutex_lock(&b->m) == 0 && pthread_mutex_unlock(&b->m) == 0, "later");     \
    }
PHASE(on)
PHASE(off)
PHASE(on_again)
PHASE(mutex_alone)
PHASE(block_alone)
PHASE(ends_off)
PHASE(ends_on)
PHASE(mutex_ends_on)
PHASE(block_ends_on)
PHASE(off_between)

static atomic_bool stop;
static pthread_mutex_t hammered = PTHREAD_MUTEX_INITIALIZER;
SITE void release_hammered(void)
{
    must(stay(pthread_mutex_unlock(&hammered)) == 0, "unlock");
}
static void *hammer(void *arg)
{
    while (!atomic_load(&stop)) {
        must(pthread_mutex_lock(&hammered) == 0, "lock");
        sleep_ns(20000);
        release_hammered();
    }
    return arg;
}
SITE void later_hammered(void)
{
    for (int i = 0; i < 1000; i++)
        must(pthread_mutex_lock(&hammered) == 0 && pthread_mutex_unlock(&hammered) == 0, "later");
}

static void change_rates(void)
{
#define PHASE_OF(name, block, mutex, halfway, in_block, in_mutex)                                  \
    {                                                                                              \
        {#name, hold_mutex, wait_##name, release_##name, halfway, in_block, in_mutex, .ms = 80},   \
            block, mutex, later_##name                                                             \
    }
    static struct phase {
        struct known_wait wait;
        long block, mutex;
        void (*later)(struct known_wait *);
    } phases[] = {
        PHASE_OF(on, 1, 1, NULL, true, true),
        PHASE_OF(off, 0, 0, NULL, false, false),
        PHASE_OF(on_again, 1, 1, NULL, true, true),
        PHASE_OF(mutex_alone, 0, 1, NULL, false, true),
        PHASE_OF(block_alone, 1, 0, NULL, true, false),
        PHASE_OF(ends_off, 1, 1, both_off, false, false),
        PHASE_OF(ends_on, 0, 0, both_on, false, false),
        PHASE_OF(mutex_ends_on, 1, 0, both_on, true, false),
        PHASE_OF(block_ends_on, 0, 1, both_on, false, true),
        PHASE_OF(off_between, 1, 1, off_and_on, true, true),
    };
    enum { PHASES = sizeof phases / sizeof phases[0] };
    static struct known_wait waits[PHASES + 1];
    for (int i = 0; i < PHASES; i++) {
        struct known_wait *b = &waits[i];
        pthread_t waiter;
        *b = phases[i].wait;
        pthread_mutex_init(&b->m, NULL);
        rates(phases[i].block, phases[i].mutex);
        pthread_create(&waiter, NULL, wait_side, b);
        hold_side(b);
        pthread_join(waiter, NULL);
        rates(1, 1);
        sleep_ns(20000000);
        phases[i].later(b);
    }
    pthread_t hammers[3];
    int64_t began = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 3; i++)
        pthread_create(&hammers[i], NULL, hammer, NULL);
    for (int i = 0; i < 3000; i++) {
        rates(i & 1, i >> 1 & 1);
        sleep_ns(50000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(hammers[i], NULL);
    int64_t took = clock_ns(CLOCK_MONOTONIC) - began;
    waits[PHASES] = (struct known_wait){.name = "hammered", .waited = took};
    rates(1, 1);
    sleep_ns(100000000);
    later_hammered();
    print_known_waits(waits, PHASES + 1, 0);
}

/* ---- the first wait for a mutex ---- */

enum { PAIRS = 8, FIRSTS = 2000, RACES = 1000, HOLD_NS = 200000, A_WAIT_NS = 20000 };
static pthread_mutex_t firsts[FIRSTS], races[RACES];
static atomic_int here;

static struct pair {
    int at;
    atomic_int turn;
    int64_t waited, held_up, disturbed; /* ns */
    atomic_llong began;
    long lost; /* races */
} pairs[PAIRS];

SITE void wait_first(int i)
{
    must(stay(pthread_mutex_lock(&firsts[i])) == 0, "first");
}
SITE void release_first(int i)
{
    must(stay(pthread_mutex_unlock(&firsts[i])) == 0, "first");
}
SITE void wait_race(int i)
{
    must(stay(pthread_mutex_lock(&races[i])) == 0, "race");
}

static void *wait_first_each(void *arg)
{
    struct pair *p = arg;
    for (int i = p->at; i < FIRSTS; i += PAIRS) {
        while (atomic_load(&p->turn) <= i)
            sleep_ns(20000);
        long before = times_preempted();
        int64_t began = clock_ns(CLOCK_MONOTONIC);
        atomic_store(&p->began, began);
        wait_first(i);
        int64_t took = clock_ns(CLOCK_MONOTONIC) - began;
        p->waited += took;
        p->disturbed += times_preempted() != before ? took : 0;
        pthread_mutex_unlock(&firsts[i]);
    }
    return NULL;
}

/* Each mutex is locked before the other thread comes, and held until that thread sleeps for it. */
static void *hold_first_each(void *arg)
{
    struct pair *p = arg;
    for (int i = p->at; i < FIRSTS; i += PAIRS) {
        pthread_mutex_lock(&firsts[i]);
        atomic_store(&p->turn, i + 1);
        while (__atomic_load_n(&firsts[i].__data.__lock, __ATOMIC_RELAXED) != 2)
            sleep_ns(20000);
        sleep_ns(1000000);
        p->held_up += clock_ns(CLOCK_MONOTONIC) - atomic_load(&p->began);
        release_first(i);
    }
    return NULL;
}

/* Two threads lock a mutex as nearly at once as they can: one of them waits. */
static void *race(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < RACES; i++) {
        atomic_fetch_add(&here, 1);
        while (atomic_load(&here) < 2 * (i + 1))
            sched_yield();
        int64_t began = clock_ns(CLOCK_MONOTONIC);
        wait_race(i);
        int64_t got = clock_ns(CLOCK_MONOTONIC);
        p->lost += got - began > A_WAIT_NS;
        while (clock_ns(CLOCK_MONOTONIC) < got + HOLD_NS)
            sched_yield();
        pthread_mutex_unlock(&races[i]);
    }
    return NULL;
}

static void first(void)
{
    pthread_t t[2 * PAIRS];
    int64_t waited = 0, held_up = 0, disturbed = 0;
    for (int i = 0; i < PAIRS; i++) {
        pairs[i].at = i;
        pthread_create(&t[2 * i], NULL, wait_first_each, &pairs[i]);
        pthread_create(&t[2 * i + 1], NULL, hold_first_each, &pairs[i]);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, race, &pairs[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < PAIRS; i++) {
        waited += pairs[i].waited;
        held_up += pairs[i].held_up;
        disturbed += pairs[i].disturbed;
    }
    printf("{\"n\": %d, \"waited\": %ld, \"held_up\": %ld, \"disturbed\": %ld, \"races\": %ld}\n",
           FIRSTS, (long)waited, (long)held_up, (long)disturbed, pairs[0].lost + pairs[1].lost);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {
        {"protect", protect}, {"shared", shared}, {"rates", change_rates}, {"first", first}};
    for (int i = 0; i < 4; i++)
        if (argc == 2 && strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    return 2;
}
