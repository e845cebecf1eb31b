/* SPDX-License-Identifier: MIT
 *
 * A program with an alternate signal stack, and a handler of SIGUSR2 or SIGPROF that does not ask
 * for it (no SA_ONSTACK). The library's handler called it on the alternate stack, which may be too
 * small for it. Right: it runs on the stack on which the kernel would have run it.
 *
 * Prints on which stack handlers run, with and without the flag.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

static char stack[65536];
static const char
    *volatile where; /* the compiler takes raise() for a leaf, which calls nothing back */

static void on_signal(int signal)
{
    (void)signal;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t low = (uintptr_t)stack;
    where = here - low < sizeof stack ? "alternate" : "normal";
}

int main(void)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGPROF};
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    for (int i = 0; i < 6; i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = i % 2 ? SA_ONSTACK : 0};
        where = "no";
        sigaction(signals[i / 2], &action, NULL);
        raise(signals[i / 2]);
        printf("signal %d, flag %d: %s stack\n", signals[i / 2], i % 2, where);
    }
    return 0;
}
