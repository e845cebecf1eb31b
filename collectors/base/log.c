/* SPDX-License-Identifier: MIT
 *
 * See log.h: one write per line, so that lines of several processes do not mix.
 */
#include "collectors/base/log.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <string.h>

static bool open_now;
static const char *file;
static int about; /* see log_process(); 0 = the writing process */

void log_open(void)
{
    STORE(&open_now, true);
}

void log_close(void)
{
    STORE(&open_now, false);
}

void log_process(int pid)
{
    about = pid;
}

/* O_NONBLOCK: the opening of a pipe without a reader would wait for ever. */
static int file_open(const char *path)
{
    return sys_open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

int log_to(const char *path)
{
    if (path) {
        int fd = file_open(path);
        if (fd < 0) {
            return fd;
        }
        sys_close(fd);
    }
    file = path;
    return 0;
}

/* Adds the time as "2026-11-24T12:34:56Z ". Days since 1970 become a date by counting years from
 * March and in eras of 400 years, which have 146,097 days (Howard Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms"). */
static void add_time(struct text *t)
{
    int64_t now = sys_clock_ns(CLOCK_REALTIME) / NSEC_PER_SEC;
    int64_t days = now / 86400 + 719468; /* from 1 March of year 0 */
    int64_t second = now % 86400;
    int64_t era = days / 146097;
    int64_t of_era = days % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* 0 = March */
    text_add_int(t, year + era * 400 + (month >= 10), 4);
    text_add(t, "-");
    text_add_int(t, month < 10 ? month + 3 : month - 9, 2);
    text_add(t, "-");
    text_add_int(t, of_year - (153 * month + 2) / 5 + 1, 2);
    text_add(t, "T");
    text_add_int(t, second / 3600, 2);
    text_add(t, ":");
    text_add_int(t, second / 60 % 60, 2);
    text_add(t, ":");
    text_add_int(t, second % 60, 2);
    text_add(t, "Z ");
}

void log_line(const char *message)
{
    char line[640];
    struct text t = text_in(line, sizeof line - 1);
    if (!file && !LOAD(&open_now)) {
        return;
    }
    if (file) {
        add_time(&t);
        text_add(&t, "pprofinject[");
        text_add_int(&t, about ? about : sys_getpid(), 0);
        text_add(&t, "]: ");
    } else {
        text_add(&t, "pprofinject: ");
    }
    text_add(&t, message);
    line[t.len++] = '\n';
    int fd = file ? file_open(file) : 2;
    if (fd >= 0) {
        sys_write_all(fd, line, t.len);
    }
    if (file && fd >= 0) {
        sys_close(fd);
    }
}

void log_error(const char *what, const char *object, int error)
{
    char line[600];
    struct text t = text_in(line, sizeof line);
    const char *name = strerrorname_np(-error);
    text_add(&t, what);
    text_add(&t, " ");
    text_add_n(&t, object, strnlen(object, 400));
    text_add(&t, ": ");
    text_add(&t, name ? name : "an unknown error");
    log_line(line);
}
