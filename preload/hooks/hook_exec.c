/* SPDX-License-Identifier: MIT
 *
 * exec: the end of a program, if it succeeds. What was recorded is written before; a timer's signal
 * must not reach the next program, which would die of it; and a signal that this program ignores is
 * ignored by the next one too, though the kernel has our handler for it. If the exec fails, all
 * goes on as before.
 *
 * Called in any thread, in forked children and in vfork children, which share our memory but not
 * our process: these only pass on what is ignored. The functions of the family are all built on two
 * of them, as in libc; no malloc, no stdio.
 */
#include "collectors/base/sys.h"
#include "collectors/cpu/cpu.h"
#include "collectors/threads/allthreads.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"
#include "preload/output/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_executable(const char *path)
{
    return sys_call4(SYS_faccessat, AT_FDCWD, path, X_OK, 0) == 0;
}

/* Whether execvp would find the file: a program that tries one name after the other is not to leave
 * a dump for each. Names that are too long are taken to be there. */
static bool found_in_path(const char *file)
{
    const char *dirs = getenv("PATH");
    size_t length = strlen(file);
    char path[4096];
    if (strchr(file, '/')) {
        return is_executable(file);
    }
    for (const char *dir = dirs ? dirs : "/bin:/usr/bin";; dir++) {
        size_t n = strcspn(dir, ":");
        if (n + length + 2 > sizeof path) {
            return true;
        }
        memcpy(path, dir, n);
        path[n] = '/';
        memcpy(path + n + (n > 0), file, length + 1);
        if (is_executable(path)) {
            return true;
        }
        dir += n;
        if (*dir == '\0') {
            return false;
        }
    }
}

/* True: see hook_sigmask_is_awaited(). */
static bool before(bool dump)
{
    if (sys_getpid() == control_pid()) {
        if (dump) {
            control_before_exec();
        }
        allthreads_leave();
        cpu_pause_thread();
    }
    hook_signal_before_exec();
    return hook_sigmask_is_awaited();
}

static int failed(int result, bool blocked)
{
    int saved = errno;
    hook_signal_exec_failed();
    hook_sigmask_wait_ends(blocked);
    if (sys_getpid() == control_pid()) {
        allthreads_stay();
        control_exec_failed();
        cpu_resume_thread();
    }
    errno = saved;
    return result;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
    bool blocked = before(is_executable(path));
    return failed(real_other.execve(path, argv, env), blocked);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
    bool blocked = before(found_in_path(file));
    return failed(real_other.execvpe(file, argv, env), blocked);
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
    bool blocked = before(true);
    return failed(real_other.fexecve(fd, argv, env), blocked);
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
    bool blocked = before(true);
    return failed(real_other.execveat(dir, path, argv, env, flags), blocked);
}

EXPORT int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

/* How many arguments come behind the first one, with the NULL that ends them. */
static size_t count_arguments(va_list *list)
{
    size_t n = 1;
    while (va_arg(*list, const char *)) {
        n++;
    }
    return n;
}

static void take_arguments(char **argv, const char *first, size_t n, va_list *list)
{
    argv[0] = (char *)first;
    for (size_t i = 1; i <= n; i++) {
        argv[i] = va_arg(*list, char *);
    }
}

EXPORT int execl(const char *path, const char *first, ...)
{
    va_list list;
    va_start(list, first);
    size_t n = count_arguments(&list);
    va_end(list);
    char *argv[n + 1];
    va_start(list, first);
    take_arguments(argv, first, n, &list);
    va_end(list);
    return execve(path, argv, environ);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    va_list list;
    va_start(list, first);
    size_t n = count_arguments(&list);
    va_end(list);
    char *argv[n + 1];
    va_start(list, first);
    take_arguments(argv, first, n, &list);
    va_end(list);
    return execvpe(file, argv, environ);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    va_list list;
    va_start(list, first);
    size_t n = count_arguments(&list);
    va_end(list);
    char *argv[n + 1];
    va_start(list, first);
    take_arguments(argv, first, n, &list);
    char *const *env = va_arg(list, char *const *);
    va_end(list);
    return execve(path, argv, env);
}
