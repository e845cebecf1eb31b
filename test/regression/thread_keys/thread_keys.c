// SPDX-License-Identifier: MIT
// A program could make one key of thread-specific data less than without the library, its first
// key had the number 1, and key 0, which it had not made, could be set. Right: all is as without
// the library. Threads begin and end also when the program has all the keys.
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { THREADS = 300 };
static pthread_key_t keys[PTHREAD_KEYS_MAX + 1];
static int made;
static int destroyed;

static void destroy(void *value)
{
    __atomic_fetch_add(&destroyed, (int)(intptr_t)value, __ATOMIC_RELAXED);
}

/* Sets each key; half of the threads return, half leave by pthread_exit. */
static void *setter(void *arg)
{
    for (int i = 0; i < made; i++) {
        pthread_setspecific(keys[i], (void *)(intptr_t)1);
    }
    if ((intptr_t)arg % 2) {
        pthread_exit(NULL);
    }
    return NULL;
}

int main(void)
{
    static char value;
    printf("key 0, never made: error %d\n", pthread_setspecific(0, &value));
    while (pthread_key_create(&keys[made], destroy) == 0) {
        made++;
    }
    printf("%d keys, the first is %u\n", made, keys[0]);
    for (intptr_t i = 0; i < THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, setter, (void *)i) == 0) {
            pthread_join(thread, NULL);
        }
    }
    printf("%d values destroyed\n", destroyed);
    return 0;
}
