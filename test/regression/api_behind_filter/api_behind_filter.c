// SPDX-License-Identifier: MIT
// When a filter on system calls would kill the program for the library's calls, the library
// becomes inactive before the filter is installed. But a call of its API afterwards still made
// such system calls. Right: it makes none.
#include "preload/pprofinject.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void noted(pprof_ctx *ctx, void *called)
{
    (void)ctx;
    *(int *)called = 1;
}

int main(void)
{
    struct sock_filter list[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)), ALLOW(SYS_write),
        ALLOW(SYS_exit_group), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog filter = {sizeof list / sizeof list[0], list};
    pprof_profile *mine = pprof_new_profile("mine");
    int called = 0;
    char text[200];
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
    int heap = pprof_write_heap_profile(1);
    int start = pprof_start_cpu_profile(1);
    int add = pprof_profile_add(mine, &filter, 0);
    long rate = pprof_set_cpu_profile_rate(50);
    int dump = pprof_dump();
    pprof_do(NULL, pprof_labels("k", "v", NULL), noted, &called);
    int n = snprintf(text, sizeof text, "%d %d %d %ld %d %d %d\n", heap, start, add, rate, dump,
                     called, pprof_active());
    syscall(SYS_exit_group, write(1, text, (size_t)n) != n);
}
