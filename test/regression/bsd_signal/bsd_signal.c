/* SPDX-License-Identifier: MIT
 *
 * bsd_signal() and __sigaction() are libc's other names for signal() and sigaction(). They were not
 * interposed: a program's handler for SIGUSR2 replaced the library's, and no dump was made any
 * more. Right: the handler runs and the dump is made.
 *
 * Sets a handler by the call that its argument names, and after a line prints how often it ran.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern sighandler_t bsd_signal(int signal, sighandler_t handler);
extern int __sigaction(int signal, const struct sigaction *action, struct sigaction *old);

static volatile sig_atomic_t runs;

static void on_signal(int signal)
{
    (void)signal;
    runs++;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    char c;
    if (argc == 2 && strcmp(argv[1], "bsd_signal") == 0)
        bsd_signal(SIGUSR2, on_signal);
    else if (argc == 2 && strcmp(argv[1], "__sigaction") == 0)
        __sigaction(SIGUSR2, &action, NULL);
    else
        return 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("ready\n");
    while (read(0, &c, 1) == 1 && c != '\n')
        ;
    printf("%d\n", (int)runs);
    return 0;
}
