/* SPDX-License-Identifier: MIT
 *
 * The library's own mappings were put where the program had just unmapped something, so that its
 * old pointers led into our tables, and its next mapping could not be at the same place. Here
 * places are left and taken again in five ways, while samples of new stacks and dumps make the
 * library map memory.
 *
 * unmapped_place WAY: alone, threads, fixed, stack, module
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 40, SIZES = 4, STACKS = 200 };
static const size_t sizes[SIZES] = {16 << 10, 256 << 10, 1 << 20, 8 << 20};
static volatile int ends;

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A new stack for each value of n. */
static __attribute__((noinline)) void descend(unsigned n)
{
    if (n > 1) {
        if (n & 1) {
            descend(n / 2);
        } else {
            descend(n / 2);
        }
    } else {
        free(malloc(100));
    }
    __asm__ volatile("" ::: "memory");
}

static void burn(void)
{
    static _Thread_local unsigned n = 1;
    double until = cpu() + 0.004;
    while (cpu() < until) {
        for (int i = 0; i < STACKS; i++) {
            descend(n++);
        }
    }
}

static void fail(const char *what, int round)
{
    printf("round %d: %s\n", round, what);
    fflush(stdout);
    _Exit(1);
}

static void must_be_free(char *at, size_t bytes, int round)
{
    unsigned char there;
    for (size_t i = 0; i < bytes; i += PAGE) {
        if (mincore(at + i, PAGE, &there) == 0 || errno != ENOMEM) {
            fail("something is mapped there", round);
        }
    }
}

static void leave_and_take(int round, int fixed)
{
    size_t bytes = sizes[round % SIZES];
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 1, PAGE);
    munmap(p, bytes);
    burn();
    if (round % 10 == 9) {
        kill(getpid(), SIGUSR2);
        burn();
    }
    must_be_free(p, bytes, round);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (fixed ? MAP_FIXED_NOREPLACE : 0);
    char *again = mmap(p, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (again != p) {
        fail("the same place is not to be had again", round);
    }
    munmap(p, bytes);
}

static void *burner(void *arg)
{
    while (!ends) {
        burn();
    }
    return arg;
}

static void *short_thread(void *arg)
{
    burn();
    return arg;
}

static void stack_of_ended_thread(int round)
{
    size_t bytes = 1 << 20;
    pthread_attr_t attr;
    pthread_t t;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, p, bytes);
    pthread_create(&t, &attr, short_thread, NULL);
    pthread_join(t, NULL);
    munmap(p, bytes);
    burn();
    must_be_free(p, bytes, round);
}

static void module_that_left(int round)
{
    void *h = dlopen("libdl.so.2", RTLD_NOW | RTLD_LOCAL);
    void *m = dlopen("libutil.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!h || !m) {
        return;
    }
    char *at = *(char **)m; /* l_addr */
    dlclose(m);
    dlclose(h);
    burn();
    must_be_free(at, PAGE, round);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "alone";
    pthread_t t[2];
    int threads = strcmp(way, "threads") == 0;
    signal(SIGUSR2, SIG_IGN);
    for (int i = 0; i < threads * 2; i++) {
        pthread_create(&t[i], NULL, burner, NULL);
        usleep(20000); /* until its allocator has its memory */
    }
    for (int round = 0; round < ROUNDS; round++) {
        if (strcmp(way, "stack") == 0) {
            stack_of_ended_thread(round);
        } else if (strcmp(way, "module") == 0) {
            module_that_left(round);
        } else {
            leave_and_take(round, strcmp(way, "fixed") == 0);
        }
    }
    ends = 1;
    for (int i = 0; i < threads * 2; i++) {
        pthread_join(t[i], NULL);
    }
    puts("every place stayed free");
    return 0;
}
