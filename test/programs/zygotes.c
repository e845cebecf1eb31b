/* SPDX-License-Identifier: MIT
 * A child that forbids itself system calls, as a browser's zygote makes its renderers:
 *
 *     zygotes WAY HOW ACTION
 *
 * WAY: how the child is born: fork, clone (by syscall()) or inline (past libc). HOW: how the filter
 * is set: prctl, or inline likewise. ACTION of the filter: "timers" kills the child for making a
 * timer; "few" kills it for all but what libc needs for the child's work, prctl among it; "none"
 * sets no filter. Then the child makes a thread, allocates in site_behind, and ends. Prints how it
 * ended. Run by e2e/forks.py.
 */
#include "truth.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define END(action) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##action)
#define IF(call, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), END(action)

enum { BLOCKS = 64, BYTES = 4096 };

static struct sock_filter timers[] = {NUMBER, IF(timer_create, KILL_PROCESS), END(ALLOW)};
static struct sock_filter few[] = {
    NUMBER,
    IF(read, ALLOW),
    IF(write, ALLOW),
    IF(mmap, ALLOW),
    IF(munmap, ALLOW),
    IF(mprotect, ALLOW),
    IF(madvise, ALLOW),
    IF(brk, ALLOW),
    IF(futex, ALLOW),
    IF(clone, ALLOW),
    IF(clone3, ALLOW),
    IF(rseq, ALLOW),
    IF(set_robust_list, ALLOW),
    IF(rt_sigprocmask, ALLOW),
    IF(rt_sigaction, ALLOW),
    IF(rt_sigreturn, ALLOW),
    IF(prctl, ALLOW),
    IF(exit, ALLOW),
    IF(exit_group, ALLOW),
    END(KILL_PROCESS),
};

/* A system call that no hook sees. */
static long inline_call(long nr, long a, long b, long c)
{
    long result;
#ifdef __x86_64__
    register long d __asm__("r10") = 0;
    register long e __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(d), "r"(e)
                     : "rcx", "r11", "memory");
#else
    result = syscall(nr, a, b, c, 0, 0);
#endif
    return result;
}

SITE void site_behind(void)
{
    for (int i = 0; i < BLOCKS; i++)
        keep(malloc(BYTES));
}

static void *works(void *arg)
{
    site_behind();
    return arg;
}

static void child(const char *how, const char *action)
{
    struct sock_fprog filter = {sizeof timers / sizeof *timers, timers};
    if (strcmp(action, "few") == 0)
        filter = (struct sock_fprog){sizeof few / sizeof *few, few};
    pthread_t t;
    if (strcmp(action, "none") != 0) {
        if (strcmp(how, "inline") == 0) {
            inline_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0);
            inline_call(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&filter);
        } else {
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
        }
    }
    site_behind();
    if (pthread_create(&t, NULL, works, NULL) || pthread_join(t, NULL))
        _exit(4);
    _exit(3);
}

int main(int argc, char **argv)
{
    int status = 0;
    if (argc < 4)
        return 2;
    site_behind();
    pid_t made = strcmp(argv[1], "fork") == 0    ? fork()
                 : strcmp(argv[1], "clone") == 0 ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
                                                 : (pid_t)inline_call(SYS_clone, SIGCHLD, 0, 0);
    if (made == 0)
        child(argv[2], argv[3]);
    waitpid(made, &status, 0);
    printf("%d\n", status);
    return 0;
}
