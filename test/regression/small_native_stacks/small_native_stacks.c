/* SPDX-License-Identifier: MIT
 *
 * A virtual machine whose threads keep their processes' small stacks under the stack pointer needs
 * every handler on an alternate stack, and defines sigaction() to see to that. The library's
 * handlers, which it never saw, ran over its processes' memory. Here a thread burns CPU time on a
 * stack below which its owner keeps something else, while samples and dumps come.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { ALTERNATE = 32 << 10, WHOLE = 64 << 10, USED = 2 << 10, FILL = 0x5c, ROUNDS = 40 };

typedef int set_function(int, const struct sigaction *, struct sigaction *);
static ucontext_t outside, inside;
static volatile sig_atomic_t came;

static int set(int sig, const struct sigaction *act, struct sigaction *old)
{
    static set_function *next;
    struct sigaction changed;
    if (!next) {
        next = (set_function *)dlsym(RTLD_NEXT, "sigaction");
    }
    if (act && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN) {
        changed = *act;
        changed.sa_flags |= SA_ONSTACK;
        act = &changed;
    }
    return next(sig, act, old);
}

int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    return set(sig, act, old);
}

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    return set(sig, act, old);
}

static void on_signal(int sig)
{
    came = sig;
}

static void burn(void)
{
    for (volatile long i = 0; i < 3000000; i++) {
    }
}

static char *small;

static __attribute__((noinline)) void one_round(void)
{
    memset(small, FILL, WHOLE);
    getcontext(&inside);
    inside.uc_stack.ss_sp = small;
    inside.uc_stack.ss_size = WHOLE;
    inside.uc_link = &outside;
    makecontext(&inside, burn, 0);
    swapcontext(&outside, &inside);
}

static int written(void)
{
    int n = 0;
    for (int i = 0; i < WHOLE - USED; i++) {
        n += small[i] != FILL;
    }
    return n;
}

static void *thread(void *arg)
{
    stack_t alternate = {.ss_sp = malloc(ALTERNATE), .ss_size = ALTERNATE};
    int changed = 0;
    small = malloc(WHOLE);
    sigaltstack(&alternate, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        one_round();
        changed += written();
    }
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
    printf("%s below the stack, %d\n", changed ? "something was written" : "nothing happened",
           (int)came);
    return arg;
}

int main(void)
{
    struct sigaction act = {.sa_handler = on_signal};
    pthread_t t;
    struct sigaction seen;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    sigaction(SIGUSR2, NULL, &seen);
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    return seen.sa_handler != SIG_DFL;
}
