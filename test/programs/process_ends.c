/* SPDX-License-Identifier: MIT
 * A program that records 8 MiB of live heap and then ends in the way that its argument names. Run
 * by e2e/process_ends.py and e2e/children.py. "fork" ends both processes, the child with 4 MiB more
 * of its own; "exec" starts itself again in the same process.
 */
#include "truth.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void *blocks[3072];
static int used;

SITE void site_before(void)
{
    for (int i = 0; i < 2048; i++)
        blocks[used++] = malloc(4096);
}

SITE void site_in_child(void)
{
    for (int i = 0; i < 1024; i++)
        blocks[used++] = malloc(4096);
}

/* A child that frees half of what it inherited and allocates more. */
static int fork_and_wait(void)
{
    int status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 1024; i++)
            free(blocks[i]);
        site_in_child();
        exit(0);
    }
    printf("%d\n", (int)child);
    waitpid(child, &status, 0);
    return status;
}

static void on_term(int signal)
{
    (void)signal;
    printf("handled\n");
}

static void print_handler(sighandler_t handler)
{
    printf("%s\n", handler == SIG_DFL ? "default" : handler == on_term ? "ours" : "another's");
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "return";
    setvbuf(stdout, NULL, _IONBF, 0);
    site_before();
    printf("%s\n", how);
    if (strcmp(how, "exit") == 0)
        exit(7);
    if (strcmp(how, "quick_exit") == 0)
        quick_exit(7);
    if (strcmp(how, "_exit") == 0)
        _exit(7);
    if (strcmp(how, "_Exit") == 0)
        _Exit(7);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "exec") == 0)
        execl(argv[0], argv[0], "return", (char *)NULL);
    if (strcmp(how, "exec_fails") == 0) {
        char *none[] = {"nonexistent", NULL};
        printf("%d\n", execl("/nonexistent", "nonexistent", (char *)NULL));
        printf("%d\n", execlp("nonexistent", "nonexistent", "1", "2", (char *)NULL));
        printf("%d\n", execle("/nonexistent", "nonexistent", "1", (char *)NULL, none));
        printf("%d %d\n", execv("/nonexistent", none), execvp("nonexistent", none));
    }
    if (strcmp(how, "exec_ignored") ==
        0) { /* an ignored signal stays ignored in the next program */
        signal(SIGUSR2, SIG_IGN);
        signal(SIGPROF, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            execlp("sh", "sh", "-c",
                   "kill -USR2 $$; kill -PROF $$; kill -HUP $$; echo alive; exit 3", (char *)NULL);
        int status = -1;
        waitpid(child, &status, 0);
        printf("%d\n", WEXITSTATUS(status));
    }
    if (strcmp(how, "fork") == 0)
        return fork_and_wait();
    if (strcmp(how, "ignored") == 0) {
        signal(SIGTERM, SIG_IGN);
        kill(getpid(), SIGTERM);
        printf("still here\n");
    }
    if (strcmp(how, "handled") == 0) {
        print_handler(signal(SIGTERM, on_term));
        kill(getpid(), SIGTERM);
    }
    if (strcmp(how, "restored") == 0) {
        signal(SIGTERM, on_term);
        print_handler(signal(SIGTERM, SIG_DFL));
        print_handler(signal(SIGTERM, SIG_DFL));
        kill(getpid(), SIGTERM);
        pause();
    }
    if (strcmp(how, "blocked") == 0) {
        sigset_t term;
        int taken = 0;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        kill(getpid(), SIGTERM);
        printf("%d\n", sigwait(&term, &taken) == 0 && taken == SIGTERM);
        kill(getpid(), SIGTERM);
        sigprocmask(SIG_UNBLOCK, &term, NULL);
    }
    for (int i = 1; i < 32; i++)
        if (sigabbrev_np(i) != NULL && strcmp(how, sigabbrev_np(i)) == 0) {
            kill(getpid(), i);
            pause();
        }
    return 7;
}
