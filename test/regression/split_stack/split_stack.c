/* SPDX-License-Identifier: MIT
 *
 * Stacks in segments (-fsplit-stack): the first one, that of the thread, may lie below those that
 * were made later. The step back to it led to a lower address, which was taken for a corrupt stack,
 * so all frames of the first segment were missing.
 *
 * Allocates below a recursion through many segments, in main and in a thread. Prints the bytes.
 */
#include "test/programs/truth.h"
#include <pthread.h>

enum { DEPTH = 40, ROOM = 3000, BYTES = 1000000 };

static __attribute__((noinline)) int descend(int depth)
{
    volatile char room[ROOM];
    room[0] = (char)depth;
    if (depth == 0) {
        keep(malloc(BYTES));
        return room[0];
    }
    return descend(depth - 1) + room[0];
}

SITE void *site_thread(void *arg)
{
    return descend(DEPTH) ? arg : NULL;
}

SITE int site_main(void)
{
    return descend(DEPTH) + 1; /* keeps the call above from becoming a tail call */
}

int main(void)
{
    pthread_t thread;
    printf("{\"bytes\": %d}\n", BYTES);
    return site_main() < 0 || pthread_create(&thread, NULL, site_thread, NULL) ||
           pthread_join(thread, NULL);
}
