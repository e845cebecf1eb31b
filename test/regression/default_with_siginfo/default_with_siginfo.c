/* SPDX-License-Identifier: MIT
 *
 * A handler of the program's puts the default action back, with SA_SIGINFO left in the flags, and
 * sends the signal again, as PHP does: the kernel takes the default action whatever the flags say,
 * and a dump has to be made before.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept;

static void again(int sig, siginfo_t *info, void *context)
{
    struct sigaction plain;
    sigset_t only;
    (void)info;
    (void)context;
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    plain.sa_flags = SA_SIGINFO;
    sigaction(sig, &plain, NULL);
    sigemptyset(&only);
    sigaddset(&only, sig);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    kill(getpid(), sig);
}

int main(void)
{
    struct sigaction act;
    kept = malloc(1000000);
    memset(&act, 0, sizeof act);
    act.sa_sigaction = again;
    act.sa_flags = SA_SIGINFO;
    sigaction(SIGTERM, &act, NULL);
    raise(SIGTERM);
    return 1;
}
