/* SPDX-License-Identifier: MIT
 *
 * Thousands of threads on the smallest stacks, with all signals blocked, hundreds alive at once.
 * Each allocates in its first thread-local constructor, in its destructors, in those of
 * thread-specific data down to the last round, and ends by return, by pthread_exit below frames
 * that clean up, by cancellation, or after an exception. The books of the allocations are exact.
 * Run by e2e/thread_ends.py as `thread_ends WAVES`.
 */
#include "truth.h"
#include <atomic>
#include <climits>
#include <csignal>
#include <pthread.h>
#include <stdexcept>
#include <unistd.h>

SITE void *site_local(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

SITE void *site_key(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

SITE void *site_cleanup(size_t n)
{
    void *p = malloc(n);
    keep(p);
    return p;
}

namespace
{

enum { AT_ONCE = 200, ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS, BLOCK = 48 };

pthread_barrier_t all_there;
pthread_key_t key;
std::atomic<long> locals, cleanups, rounds, caught;

struct local {
    void *block;
    local() : block(site_local(BLOCK))
    {
    }
    ~local()
    {
        free(block);
        free(site_local(2 * BLOCK));
        locals++;
    }
};
thread_local local mine;

struct cleanup {
    ~cleanup()
    {
        free(site_cleanup(BLOCK));
        cleanups++;
    }
};

/* Sets its key again in each round of destructors, until the last one. */
void on_key(void *value)
{
    long turn = (long)value;
    free(site_key((size_t)turn * BLOCK));
    rounds++;
    if (turn < ROUNDS)
        pthread_setspecific(key, (void *)(turn + 1));
}

__attribute__((noinline)) void end_below(int how, int depth)
{
    cleanup each;
    if (depth > 0) {
        end_below(how, depth - 1);
    } else if (how == 1) {
        pthread_exit(nullptr);
    } else if (how == 2) {
        for (;;)
            pause(); /* until cancelled */
    } else if (how == 3) {
        throw std::runtime_error("below");
    }
}

void *thread(void *arg)
{
    *(char *)mine.block = 1;
    pthread_setspecific(key, (void *)1);
    pthread_barrier_wait(&all_there);
    try {
        end_below((int)(long)arg % 4, 3);
    } catch (const std::runtime_error &) {
        caught++;
    }
    return nullptr;
}

void wave(const pthread_attr_t *attr)
{
    static pthread_t threads[AT_ONCE];
    for (long i = 0; i < AT_ONCE; i++)
        must(pthread_create(&threads[i], attr, thread, (void *)i) == 0, "pthread_create");
    pthread_barrier_wait(&all_there);
    for (long i = 0; i < AT_ONCE; i++) {
        if (i % 4 == 2)
            pthread_cancel(threads[i]);
        must(pthread_join(threads[i], nullptr) == 0, "pthread_join");
    }
}

} // namespace

int main(int argc, char **argv)
{
    must(argc == 2, "usage");
    int waves = atoi(argv[1]);
    long n = (long)waves * AT_ONCE;
    pthread_attr_t attr;
    sigset_t all;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)sysconf(_SC_THREAD_STACK_MIN));
    pthread_attr_setsigmask_np(&attr, &all);
    pthread_barrier_init(&all_there, nullptr, AT_ONCE + 1);
    pthread_key_create(&key, on_key);
    for (int i = 0; i < waves; i++)
        wave(&attr);
    printf("%ld locals, %ld cleanups, %ld rounds, %ld caught of %ld\n", locals.load(),
           cleanups.load(), rounds.load(), caught.load(), n);
    requests("site_local", BLOCK, n, 0);
    requests("site_local", (size_t)2 * BLOCK, n, 0);
    requests("site_cleanup", BLOCK, 4 * n, 0);
    for (int turn = 1; turn <= ROUNDS; turn++)
        requests("site_key", (size_t)turn * BLOCK, n, 0);
    print_sites();
    return 0;
}
