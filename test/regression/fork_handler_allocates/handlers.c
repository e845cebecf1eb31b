/* SPDX-License-Identifier: MIT
 *
 * The library that the program links. It allocates in its fork handlers, which is allowed.
 */
#include "handlers.h"
#include <pthread.h>
#include <stdlib.h>

static void *volatile kept;

static void before(void)
{
    kept = malloc(100);
}

static void after(void)
{
    free(kept);
    kept = malloc(50);
    free(kept);
}

__attribute__((constructor)) static void handlers_start(void)
{
    pthread_atfork(before, after, after);
}

void handlers_needed(void)
{
}
