// SPDX-License-Identifier: MIT
// A pprof_do() that was left by a longjmp stayed in the thread's list, though its memory was on a
// part of the stack that was used again. The return of the outer pprof_do() followed what lay
// there, and so did an exception that unwound through it. Right: the list does not lead there.
#include "preload/pprofinject.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static jmp_buf out;

static __attribute__((noinline)) void overwrite(int pages)
{
    volatile char page[4096];
    memset((char *)page, 'A', sizeof page);
    if (pages > 0) {
        overwrite(pages - 1);
    }
    page[0] = 'B';
}

static void inner(pprof_ctx *ctx, void *arg)
{
    (void)ctx, (void)arg;
    longjmp(out, 1);
}

static __attribute__((noinline)) void call_inner(pprof_ctx *ctx)
{
    volatile char below[512] = {0};
    pprof_do(ctx, pprof_labels("depth", "2", NULL), inner, NULL);
    (void)below[0];
}

static void outer(pprof_ctx *ctx, void *ends)
{
    if (setjmp(out) == 0) {
        call_inner(ctx);
    }
    overwrite(8);
    if (ends) {
        pthread_exit(NULL);
    }
}

static void *thread(void *ends)
{
    pprof_do(NULL, pprof_labels("depth", "1", NULL), outer, ends);
    pprof_do(NULL, pprof_labels("depth", "1", NULL), outer, ends); /* the same again */
    return NULL;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    pthread_create(&t, NULL, thread, &out);
    pthread_join(t, NULL);
    puts("lived on");
    return 0;
}
