/* SPDX-License-Identifier: MIT
 *
 * The library's own messages. With PPROF_LOG they go to that file, at any time. Without it they go
 * to stderr while the constructor runs, and nowhere later: before main, descriptor 2 is still what
 * the user gave the program; later it may be any file of the program's, a database say. log_line()
 * and log_error() are SIGNAL_SAFE.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "collectors/base/abi.h"

/* Writes "pprofinject: <text>\n" to stderr, or "<date>T<time>Z pprofinject[<pid>]: <text>\n" to the
 * file, opened for this one line: no descriptor stays behind. */
SIGNAL_SAFE void log_line(const char *text);
/* The same with the text "<what> <object>: <name of the error>"; error is a negative errno. */
SIGNAL_SAFE void log_error(const char *what, const char *object, int error);

/* The constructor begins and ends: stderr may be written to in between. */
void log_open(void);
void log_close(void);

/* Messages go to this file from now on (an absolute path that stays; NULL = stderr as above). 0, or
 * the negative errno with which it cannot be opened; then nothing changes. */
MUST_CHECK int log_to(const char *path);
/* The process whose number the lines in the file show; the scribe, another process, writes lines
 * about it too. */
void log_process(int pid);

/* Lets a user write to the file, too: the process is about to become that user, and owns the file.
 * The user may write and nothing else, by an access control list; where there are none, the file
 * becomes the user's. */
SIGNAL_SAFE void log_give(uint32_t user);

#endif
