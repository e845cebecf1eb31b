/* SPDX-License-Identifier: MIT
 *
 * A program that puts itself behind a filter on system calls and then works on: it allocates, burns
 * CPU, makes a thread, forks. Run by e2e/sandbox.py as `sandbox HOW ACTION`: HOW is prctl, seccomp
 * or exec (and itself again behind the filter), ACTION what happens to a call that is not on its
 * list: kill, trap, errno; or allow (all but ptrace), timers (all but timer_create), strict.
 */
#include "truth.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BURN_NS = 150000000 };

static volatile sig_atomic_t traps;

static void on_trap(int signal)
{
    traps += signal == SIGSYS;
}

SITE void site_before(void)
{
    int64_t until = thread_cpu_ns() + BURN_NS;
    while (thread_cpu_ns() < until) {
        void *p = malloc(1000);
        keep(p);
        spin_a_little();
        free(p);
    }
}

/* No system call: the clock is read where a strict sandbox cannot, by counting. */
SITE void site_after(void)
{
    for (int i = 0; i < 3000; i++) {
        void *p = malloc(1000);
        keep(p);
        spin_a_little();
        free(p);
    }
}

static void *in_thread(void *arg)
{
    site_after();
    return arg;
}

#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* The calls that this program itself needs from here on. A profiler's are not among them.
 */
static struct sock_filter listed[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_read),
    ALLOW(SYS_write),
    ALLOW(SYS_brk),
    ALLOW(SYS_mmap),
    ALLOW(SYS_munmap),
    ALLOW(SYS_mprotect),
    ALLOW(SYS_madvise),
    ALLOW(SYS_futex),
    ALLOW(SYS_clone),
    ALLOW(SYS_clone3),
    ALLOW(SYS_set_robust_list),
    ALLOW(SYS_rseq),
    ALLOW(SYS_rt_sigprocmask),
    ALLOW(SYS_rt_sigreturn),
    ALLOW(SYS_wait4),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    ALLOW(SYS_newfstatat),
    ALLOW(SYS_gettid),
    ALLOW(SYS_rt_sigaction),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
}; /* fmt: skip */
static struct sock_filter all_but_one[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void go_behind(const char *how, const char *action)
{
    struct sock_fprog program = {sizeof listed / sizeof listed[0], listed};
    struct sock_filter *last = &listed[program.len - 1];
    if (strcmp(action, "trap") == 0)
        last->k = SECCOMP_RET_TRAP;
    if (strcmp(action, "errno") == 0)
        last->k = SECCOMP_RET_ERRNO | EPERM;
    if (strcmp(action, "timers") == 0)
        all_but_one[1].k = SYS_timer_create;
    if (strcmp(action, "allow") == 0 || strcmp(action, "timers") == 0)
        program = (struct sock_fprog){sizeof all_but_one / sizeof all_but_one[0], all_but_one};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    long err = strcmp(action, "strict") == 0 ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)
               : strcmp(how, "seccomp") == 0
                   ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
                   : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    must(err == 0, "seccomp");
}

static int work_on(void)
{
    pthread_t thread;
    int status = -1;
    site_after();
    must(pthread_create(&thread, NULL, in_thread, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        site_after();
        _exit(5);
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    must(argc == 3, "usage");
    setvbuf(stdout, NULL, _IONBF, 0);
    signal(SIGSYS, on_trap);
    free(malloc(100000));
    site_before();
    if (strcmp(argv[1], "behind") != 0)
        go_behind(argv[1], argv[2]);
    if (strcmp(argv[1], "exec") == 0)
        execl(argv[0], argv[0], "behind", argv[2], (char *)NULL);
    if (strcmp(argv[2], "strict") == 0) {
        site_after();
        must(write(1, "strict\n", 7) == 7, "write");
        syscall(SYS_exit, 3); /* the only end that is allowed */
    }
    int child = work_on();
    printf("%d %d\n", child, (int)traps);
    return 4;
}
