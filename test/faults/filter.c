/* SPDX-License-Identifier: MIT
 *
 * Preloaded behind the library, and linked with -z initfirst as the library is, so that its
 * constructor is the first: a kernel filter on the system calls that are made from within the
 * library's own code. With FAULT="always NUMBER ERRNO" each call of that number fails. With
 * FAULT="ask FD" every call is decided by the process at the other end of the socket FD,
 * e2e/faults_syscalls.py, which gets the filter's descriptor.
 */
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static uintptr_t lo, hi;

static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; strstr(info->dlpi_name, "libpprofinject") && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            hi = lo + info->dlpi_phdr[i].p_memsz;
        }
    return 0;
}

#define HALF(field, upper) (offsetof(struct seccomp_data, field) + 4 * (upper))
#define LOAD_WORD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define UNLESS(test, value, skip) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), 0, (skip))

static void send_descriptor(int socket, int fd)
{
    char byte = 0, room[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    sendmsg(socket, &m, 0);
}

/* The value of the variable, which is taken out of the environment. libc has not seen that yet. */
static const char *take(char **env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++) {
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') {
            const char *value = *env + n + 1;
            do
                env[0] = env[1];
            while (*env++);
            return value;
        }
    }
    return NULL;
}

__attribute__((constructor)) static void install(int argc, char **argv, char **env)
{
    (void)argc, (void)argv;
    const char *fault = take(env, "FAULT");
    unsigned number = 0, error = 0, socket = 0;
    int always = fault && sscanf(fault, "always %u %u", &number, &error) == 2;
    int ask = fault && sscanf(fault, "ask %u", &socket) == 1;
    dl_iterate_phdr(find_library, NULL);
    if ((!always && !ask) || lo == 0 || lo >> 32 != hi >> 32)
        return;
    /* The library lies within one aligned range of 4 GiB, so the two halves of the address can be
     * compared separately.
     */
    struct sock_filter code[] = {
        LOAD_WORD(HALF(instruction_pointer, 1)),
        UNLESS(BPF_JEQ, (uint32_t)(lo >> 32), 7),
        LOAD_WORD(HALF(instruction_pointer, 0)),
        UNLESS(BPF_JGE, (uint32_t)lo, 5),
        UNLESS(BPF_JGT, (uint32_t)hi, 1),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD_WORD(HALF(nr, 0)),
        UNLESS(BPF_JEQ, number, 1),
        RETURN(always ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_USER_NOTIF),
        RETURN(SECCOMP_RET_ALLOW),
    };
    if (ask) /* all numbers */
        code[7] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 0, 0, 0);
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      ask ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &program);
    if (ask) {
        send_descriptor((int)socket, (int)fd);
        close((int)fd);
        close((int)socket);
    }
}
