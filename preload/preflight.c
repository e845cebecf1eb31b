/* SPDX-License-Identifier: MIT
 *
 * See preflight.h. Looks and changes nothing: no folder is made here, because a program that
 * records nothing must leave nothing behind.
 */
#include "preload/preflight.h"

#include "collectors/base/libc/libc.h"
#include "collectors/base/log.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "preload/config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 600, SHOWN = 300 }; /* bytes: of a message, and of a path or a name in one */

/* ---- variables that have no meaning ---- */

#define PREFIX "PPROF_"

/* Variables of go tool pprof, which may be set for that. */
static const char *const of_others[] = {"PPROF_BINARY_PATH", "PPROF_TMPDIR", "PPROF_TOOLS"};

/* The number of characters that must be changed, added or left out to make one name of the other
 * (Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals", 1966).
 * Names of 63 characters and more are as far away as can be. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    enum { MOST = 64 };
    size_t row[MOST];
    if (n >= MOST || m >= MOST) {
        return MOST;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            size_t longer = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = changed < longer ? changed : longer;
        }
    }
    return row[m];
}

/* What config_each_name() is looking for: the variable nearest to a name. */
struct nearest {
    const char *name; /* n characters */
    size_t n;
    const char *best;
    size_t away; /* how far best is, in characters */
};

static void compare(const char *known, void *arg)
{
    struct nearest *near = arg;
    size_t away = distance(near->name, near->n, known, strlen(known));
    if (away < near->away) {
        near->best = known;
        near->away = away;
    }
}

static bool is_of_others(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(of_others); i++) {
        if (strlen(of_others[i]) == n && memcmp(of_others[i], name, n) == 0) {
            return true;
        }
    }
    return false;
}

static void look_at_name(const char *name, size_t n)
{
    enum { NEAR = 4 }; /* a name that is further away than three characters is not suggested */
    struct nearest near = {.name = name, .n = n, .away = NEAR};
    config_each_name(compare, &near);
    if (near.away == 0 || is_of_others(name, n)) {
        return;
    }
    char line[LINE];
    struct text t = text_in(line, sizeof line);
    text_add_n(&t, name, n < SHOWN ? n : SHOWN);
    text_add(&t, " has no meaning here and is ignored");
    if (near.best) {
        text_add(&t, "; did you mean ");
        text_add(&t, near.best);
        text_add(&t, "?");
    } else {
        text_add(&t, " (man libpprofinject.so lists the variables)");
    }
    log_line(line);
}

static void look_at_names(char *const *env)
{
    for (; *env; env++) {
        if (strncmp(*env, PREFIX, sizeof PREFIX - 1) == 0) {
            look_at_name(*env, strcspn(*env, "="));
        }
    }
}

/* ---- the output folder ---- */

/* 0, or the negative errno with which a folder cannot be written, or cannot be made because the
 * nearest one above it that is there cannot be written. Cuts `path` down to that one. */
static long write_error(char *path)
{
    struct stat st;
    for (;;) {
        long err = sys_call4(SYS_newfstatat, AT_FDCWD, path, &st, 0);
        if (err == 0) {
            return S_ISDIR(st.st_mode) ? sys_call4(SYS_faccessat, AT_FDCWD, path, W_OK | X_OK, 0)
                                       : -ENOTDIR;
        }
        char *slash = strrchr(path, '/');
        if (err != -ENOENT || !slash || slash[1] == '\0') {
            return err;
        }
        slash[slash == path] = '\0'; /* the folder above "/a" is "/" */
    }
}

static void look_at_folder(void)
{
    char path[CONFIG_PATH_MAX];
    memcpy(path, config.out, sizeof path);
    long err = write_error(path);
    if (err == 0) {
        return;
    }
    const char *why = strerrorname_np((int)-err);
    char line[LINE];
    struct text t = text_in(line, sizeof line);
    text_add(&t, "no profile can be written to ");
    text_add_n(&t, config.out, strnlen(config.out, SHOWN));
    text_add(&t, " (");
    text_add(&t, why ? why : "an unknown error");
    text_add(&t, "): set PPROF_OUT to a folder that this user can write");
    log_line(line);
}

/* ---- the symboliser ---- */

static void look_at_symboliser(void)
{
    char path[CONFIG_PATH_MAX];
    struct text t = text_in(path, sizeof path);
    const char *library = libc_own_path();
    const char *slash = library ? strrchr(library, '/') : NULL;
    if (!slash) {
        return;
    }
    text_add_n(&t, library, (size_t)(slash - library) + 1);
    text_add(&t, "pprof-symbolize");
    if (t.cut || sys_call4(SYS_faccessat, AT_FDCWD, path, X_OK, 0) == 0) {
        return;
    }
    char line[LINE];
    struct text said = text_in(line, sizeof line);
    text_add_n(&said, path, strnlen(path, SHOWN));
    text_add(&said,
             " is not there or cannot be run: profiles have no names of functions (put it beside "
             "the library, or set PPROF_SYMBOLIZE=0 and leave the names to the viewer)");
    log_line(line);
}

void preflight(char *const *env)
{
    look_at_names(env);
    look_at_folder();
    if (config.symbolize) {
        look_at_symboliser();
    }
}
