/* SPDX-License-Identifier: MIT
 * Leaves its terminal, and then says what it has become:
 *
 *     daemons daemon|twice NOCHDIR NOCLOSE REPORT [threads|limit|closed]
 *
 * daemon: by daemon(); twice: by two forks, whose parents end by _exit(). The first process burns
 * CPU in burn_first, the daemon in burn_as_daemon. The daemon writes the result of daemon(), errno
 * where it failed, its folder, whether it leads a session and a group, and what its descriptors
 * are, into the file REPORT, whose lock it and the first process hold until they end. threads:
 * another thread runs meanwhile. limit: no descriptor is free. closed: descriptor 0 is. Run by
 * e2e/daemons.py.
 */
#include "truth.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN = 12, MS = 1000000 };

SITE void burn_first(void)
{
    int64_t until = thread_cpu_ns() + 60 * MS;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

SITE void burn_as_daemon(void)
{
    int64_t until = thread_cpu_ns() + 60 * MS;
    while (thread_cpu_ns() < until)
        spin_a_little();
}

static void *naps(void *arg)
{
    for (;;)
        usleep(1000);
    return arg;
}

static int twice(int nochdir)
{
    if (fork() > 0)
        _exit(0);
    setsid();
    if (fork() > 0)
        _exit(0);
    return nochdir ? 0 : chdir("/");
}

static void report(int fd, int result, int error)
{
    char folder[4096] = "";
    if (!getcwd(folder, sizeof folder))
        error = errno;
    dprintf(fd, "result %d errno %d in %s session %d group %d\n", result, result ? error : 0,
            folder, getsid(0) == getpid(), getpgrp() == getpid());
    for (int i = 0; i < SHOWN; i++) {
        struct stat st;
        if (i != fd && fstat(i, &st) == 0)
            dprintf(fd, "%d: %o %x flags %d\n", i, st.st_mode & S_IFMT, (unsigned)st.st_rdev,
                    fcntl(i, F_GETFD));
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 5 ? argv[5] : "";
    struct rlimit files = {0, 0};
    int nochdir = atoi(argv[2]), noclose = atoi(argv[3]);
    int fd = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    flock(fd, LOCK_EX);
    if (strcmp(how, "threads") == 0) {
        pthread_t t;
        pthread_create(&t, NULL, naps, NULL);
    }
    burn_first();
    if (strcmp(how, "closed") == 0)
        close(0);
    getrlimit(RLIMIT_NOFILE, &files);
    if (strcmp(how, "limit") == 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)fd + 1, files.rlim_max});
    errno = 0;
    int result = strcmp(argv[1], "daemon") == 0 ? daemon(nochdir, noclose) : twice(nochdir);
    report(fd, result, errno);
    burn_as_daemon();
    return 0;
}
