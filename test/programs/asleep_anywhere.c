/* SPDX-License-Identifier: MIT
 * Threads asleep at the end of random ways through functions with frames of many kinds, on stacks
 * that calls before have left full of frames of the same functions. Prints of each thread its id
 * and the way, outermost function first; then dumps. Run by long/sleepers.py.
 *   asleep_anywhere SEED THREADS
 */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FUNCTIONS = 12, WAY_MAX = 14, THREADS_MAX = 256 };

struct way {
    uint64_t random;
    int length; /* of the way that is left to go; -1 = any way, which returns */
    int at;
    int tid;
    uint8_t taken[WAY_MAX];
};
static struct way ways[THREADS_MAX];
static int pipe_ends[2];

static uint32_t draw(struct way *w, uint32_t below)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(w->random >> 33) % below;
}

/* The system call itself, and not read(): of the functions that the library interposes, it may know
 * the frame pointer. */
__attribute__((noinline)) static long read_raw(int fd, void *to, size_t n)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_read), "D"((long)fd), "S"(to), "d"(n)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((noinline)) static long sleep_here(void)
{
    char byte[16];
    return read_raw(pipe_ends[0], byte, sizeof byte);
}

__attribute__((noinline)) static long sleep_in_room(size_t n)
{
    char byte;
    char *room = alloca(n);
    *(volatile char *)room = 1;
    long result = read_raw(pipe_ends[0], &byte, 1);
    *(volatile char *)room = 2;
    return result;
}

typedef long function(struct way *w, int left);
static long go(struct way *w, int left);
static function *const table[];

/* Calls that return, and leave their frames below. */
#define NOISE                                                                                      \
    for (uint32_t k = draw(w, 3); k > 0 && w->length != -1; k--) {                                 \
        int length = w->length;                                                                    \
        w->length = -1;                                                                            \
        sum += draw(w, 2) ? go(w, 4) : table[draw(w, FUNCTIONS)](w, 4);                            \
        w->length = length;                                                                        \
    }

/* One more function of the way, called by its name or by a pointer; or the sleep at its end. */
#define ON                                                                                         \
    if (left > 0) {                                                                                \
        sum += draw(w, 2) ? go(w, left - 1) : table[draw(w, FUNCTIONS)](w, left - 1);              \
    } else if (w->length != -1) {                                                                  \
        sum += draw(w, 2) ? sleep_here() : sleep_in_room(draw(w, 500));                            \
    }

#define BEGIN(id)                                                                                  \
    long sum = 1;                                                                                  \
    if (w->length != -1)                                                                           \
        w->taken[w->at++] = id;

#define PLAIN(id, bytes)                                                                           \
    __attribute__((noinline)) static long f##id(struct way *w, int left)                           \
    {                                                                                              \
        char room[bytes];                                                                          \
        *(volatile char *)room = 1;                                                                \
        BEGIN(id)                                                                                  \
        NOISE                                                                                      \
        ON return sum + *(volatile char *)room;                                                    \
    }
#define ALLOCA(id)                                                                                 \
    __attribute__((noinline)) static long f##id(struct way *w, int left)                           \
    {                                                                                              \
        BEGIN(id)                                                                                  \
        NOISE                                                                                      \
        char *room = alloca(draw(w, 800));                                                         \
        *(volatile char *)room = 1;                                                                \
        NOISE                                                                                      \
        if (draw(w, 2)) {                                                                          \
            room = alloca(draw(w, 300));                                                           \
            *(volatile char *)room = 1;                                                            \
        }                                                                                          \
        ON return sum + *(volatile char *)room;                                                    \
    }
#define ARRAY(id)                                                                                  \
    __attribute__((noinline)) static long f##id(struct way *w, int left)                           \
    {                                                                                              \
        BEGIN(id)                                                                                  \
        NOISE                                                                                      \
        for (int i = 0; i < 2; i++) {                                                              \
            char room[draw(w, 600) + 1];                                                           \
            *(volatile char *)room = 1;                                                            \
            if (i == 1) {                                                                          \
                ON                                                                                 \
            } else {                                                                               \
                NOISE                                                                              \
            }                                                                                      \
            sum += *(volatile char *)room;                                                         \
        }                                                                                          \
        return sum;                                                                                \
    }

PLAIN(0, 8)
PLAIN(1, 24)
PLAIN(2, 200)
PLAIN(3, 1000)
PLAIN(4, 4)
PLAIN(5, 400)
ALLOCA(6)
ALLOCA(7)
ALLOCA(8)
ARRAY(9)
ARRAY(10)

__attribute__((noinline)) static long f11(struct way *w, int left)
{
    char room[96] __attribute__((aligned(64)));
    *(volatile char *)room = 1;
    BEGIN(11)
    NOISE
    ON return sum + *(volatile char *)room;
}

static function *const table[FUNCTIONS] = {f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11};

/* Always a part of its callers, so that each of them calls all by name. */
__attribute__((always_inline)) static inline long go(struct way *w, int left)
{
    switch (draw(w, FUNCTIONS)) {
    case 0:
        return f0(w, left);
    case 1:
        return f1(w, left);
    case 2:
        return f2(w, left);
    case 3:
        return f3(w, left);
    case 4:
        return f4(w, left);
    case 5:
        return f5(w, left);
    case 6:
        return f6(w, left);
    case 7:
        return f7(w, left);
    case 8:
        return f8(w, left);
    case 9:
        return f9(w, left);
    case 10:
        return f10(w, left);
    default:
        return f11(w, left);
    }
}

static void *starts(void *arg)
{
    struct way *w = arg;
    long sum = 0;
    w->tid = (int)syscall(SYS_gettid);
    for (int i = 0; i < 3; i++) {
        w->length = -1;
        sum += table[draw(w, FUNCTIONS)](w, 5);
    }
    w->length = 1 + (int)draw(w, WAY_MAX - 1);
    sum += table[draw(w, FUNCTIONS)](w, w->length - 1);
    fprintf(stderr, "a sleep has ended: %ld\n", sum);
    _exit(9);
}

static int sleeps(int tid)
{
    char path[64];
    int c = 0, last = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *f = fopen(path, "r");
    while (f && last != ')' && (c = fgetc(f)) != EOF)
        last = c;
    c = f ? fgetc(f), fgetc(f) : 0;
    if (f)
        fclose(f);
    return c == 'S';
}

int main(int argc, char **argv)
{
    if (argc < 3 || pipe(pipe_ends) != 0)
        return 8;
    int n = atoi(argv[2]);
    for (int i = 0; i < n; i++) {
        pthread_t t;
        ways[i].random = strtoull(argv[1], NULL, 10) * 1000003 + (uint64_t)i;
        if (pthread_create(&t, NULL, starts, &ways[i]) != 0)
            return 8;
    }
    for (int i = 0; i < n; i++)
        while (ways[i].tid == 0 || !sleeps(ways[i].tid))
            usleep(1000);
    for (int i = 0; i < n; i++) {
        printf("%d", ways[i].tid);
        for (int k = 0; k < ways[i].at; k++)
            printf(" f%d", ways[i].taken[k]);
        printf("\n");
    }
    fflush(stdout);
    raise(SIGUSR2);
    usleep(20000);
    return 3;
}
