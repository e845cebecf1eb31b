/* SPDX-License-Identifier: MIT
 *
 * exec ends the program, if it succeeds. Before it, the last dump is written, and no process of
 * ours stays a child of what the program becomes (names are not waited for); no thread sends this
 * one a signal of ours any more, which would kill the next program (what a timer has sent the
 * kernel drops itself, with the timer); and where the program ignores a signal for which the kernel
 * has our handler, the kernel is told to ignore it, because the next program inherits that. If the
 * exec fails, all of that is undone.
 *
 * Called in any thread, in forked children and in vfork children. A vfork child shares our memory
 * but is another process: there only the ignored signals are passed on. As in libc, the functions
 * with other kinds of arguments call execve() or execvpe(). No malloc, no stdio.
 */
#include "collectors/base/sys.h"
#include "preload/config.h"
#include "preload/hooks/dispatch.h"
#include "preload/hooks/own_signals.h"
#include "preload/hooks/real.h"
#include "preload/marker.h"
#include "preload/output/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_executable(const char *path)
{
    uint8_t selector = dispatch_open();
    long err = sys_call4(SYS_faccessat, AT_FDCWD, path, X_OK, 0);
    dispatch_close(selector);
    return err == 0;
}

/* libc's execvp() asks its own getenv(), which a program may have replaced for itself. */
static const char *path_of_environment(void)
{
    for (char **at = environ; at && *at; at++) {
        if (strncmp(*at, "PATH=", 5) == 0) {
            return *at + 5;
        }
    }
    return NULL;
}

/* Would execvp() find the file? A program that tries one name after the other must not write a dump
 * for each that is not there. Paths that are too long for the buffer count as found. */
static bool found_in_path(const char *file)
{
    const char *dirs = path_of_environment();
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

/* dump: the file is there, so that the exec is expected to succeed. */
static void before(bool dump)
{
    uint8_t selector = dispatch_open();
    if (sys_getpid() == control_pid()) {
        if (dump) {
            control_before_exec();
        }
    }
    own_signals_before_exec();
    dispatch_before_exec();
    dispatch_close(selector);
}

static int failed(int result)
{
    int saved = errno;
    uint8_t selector = dispatch_open();
    own_signals_exec_failed();
    if (sys_getpid() == control_pid()) {
        control_exec_failed();
    }
    dispatch_close(selector);
    errno = saved;
    return result;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
    before(is_executable(path));
    env = MARKER_PUT_RIGHT(config_environment(env), control_left_raw());
    return failed(real_other.execve(path, argv, env));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
    before(found_in_path(file));
    env = MARKER_PUT_RIGHT(config_environment(env), control_left_raw());
    return failed(real_other.execvpe(file, argv, env));
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
    before(true);
    env = MARKER_PUT_RIGHT(config_environment(env), control_left_raw());
    return failed(real_other.fexecve(fd, argv, env));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
    before(true);
    env = MARKER_PUT_RIGHT(config_environment(env), control_left_raw());
    return failed(real_other.execveat(dir, path, argv, env, flags));
}

EXPORT int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

/* The number of arguments behind the first one, with the NULL that ends them. */
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
