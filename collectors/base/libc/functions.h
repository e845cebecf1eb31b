/* SPDX-License-Identifier: MIT
 *
 * Functions that the C library defines, or will, and its headers do not declare: entry points of
 * fortified or older programs, and what is newer than the headers. For the hooks, which stand in
 * front of them.
 */
#ifndef BASE_LIBC_FUNCTIONS_H
#define BASE_LIBC_FUNCTIONS_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>

/* C23, in glibc from 2.43. */
void free_sized(void *p, size_t n);
void free_aligned_sized(void *p, size_t align, size_t n);

/* What poll() and others become with _FORTIFY_SOURCE: size is that of the memory, as far as the
 * compiler knows. */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set,
                size_t size);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t size, int flags);

/* In glibc from 2.34. */
pid_t _Fork(void);

/* What a program's first instructions call when the constructors of its libraries have run: calls
 * the program's own, and then main(). It has arguments; no C code of ours calls it. */
void __libc_start_main(void);

/* As atexit(), of a function that no library's end calls earlier (object = NULL). */
int __cxa_atexit(void (*f)(void *), void *arg, void *object);

/* Other names of sigaction() and, to programs of X/Open, of signal(). */
int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
sighandler_t bsd_signal(int sig, sighandler_t handler);

/* System calls by their names. What capset() takes is in linux/capability.h. */
int capset(void *header, const void *data);
int pivot_root(const char *root, const char *old);

/* The type of the parameter of setrlimit() and its kin that POSIX says is int. */
#define LIBC_WHICH_LIMIT __rlimit_resource_t

#endif
