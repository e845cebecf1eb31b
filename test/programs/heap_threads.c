/* SPDX-License-Identifier: MIT
 * Blocks that one thread allocates and another frees or grows, with many at it at once: the live
 * heap must come out exact at rate 1. Run by e2e/heap_calls.py above each allocator.
 */
#include "truth.h"
#include <pthread.h>

enum { PAIRS = 4, N = 20000 };

static void *blocks[PAIRS][N];
static pthread_barrier_t full;

/* Sizes 32 to 1024, by index alone. */
static size_t size_of(int i)
{
    return 32 * (size_t)(1 + i % 32);
}

SITE void site_producer(int pair)
{
    for (int i = 0; i < N; i++) {
        size_t size = size_of(i);
        blocks[pair][i] = malloc(size);
        memset(blocks[pair][i], pair, size);
    }
}

/* Of the other thread's blocks a quarter stays, a quarter is grown by this thread, the rest is
 * freed. */
SITE void site_grower(int pair)
{
    for (int i = 1; i < N; i += 4) {
        blocks[pair][i] = realloc(blocks[pair][i], 2000);
        must(*(char *)blocks[pair][i] == pair, "realloc of another thread's block keeps");
    }
}

static void *produce(void *arg)
{
    site_producer((int)(intptr_t)arg);
    pthread_barrier_wait(&full);
    return NULL;
}

static void *consume(void *arg)
{
    int pair = (int)(intptr_t)arg;
    pthread_barrier_wait(&full);
    for (int i = 2; i < N; i++)
        if (i % 4 >= 2)
            free(blocks[pair][i]);
    site_grower(pair);
    return NULL;
}

int main(void)
{
    pthread_t threads[2 * PAIRS];
    pthread_barrier_init(&full, NULL, 2 * PAIRS);
    for (intptr_t i = 0; i < 2 * PAIRS; i++)
        pthread_create(&threads[i], NULL, i % 2 ? consume : produce, (void *)(i / 2));
    for (int i = 0; i < 2 * PAIRS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N; i++) {
        requests("site_producer", size_of(i), PAIRS, i % 4 == 0 ? PAIRS : 0);
        if (i % 4 == 1)
            requests("site_grower", 2000, PAIRS, PAIRS);
    }
    print_sites();
    return 0;
}
