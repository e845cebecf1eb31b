/* SPDX-License-Identifier: MIT
 *
 * Atomic replacement; see replace.h.
 *
 * renameat2 exchanges both names. So the profile is never absent, and the call fails if a program
 * that collects profiles has taken the old file away; a plain rename would bring it back.
 * Afterwards the replaced file has the temporary name. If it is not the file that was read, another
 * program has replaced that meanwhile, and the names are exchanged back. On file systems without
 * the exchange, the old file is checked just before a plain rename.
 */
#include "encoder/symbolize/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ATTEMPTS = 100 }; /* to find a free temporary name */

/* The temporary file that the signal handler removes, while guarded_folder is 0 or more. */
static volatile sig_atomic_t guarded_folder = -1;
static char guarded_name[64];

static void replace_on_signal(int number)
{
    if (guarded_folder >= 0) {
        unlinkat(guarded_folder, guarded_name, 0);
    }
    signal(number, SIG_DFL);
    raise(number);
}

void replace_guard_signals(void)
{
    static const int fatal[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU, SIGXFSZ};
    struct sigaction action = {.sa_handler = replace_on_signal};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        struct sigaction old;
        if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
            sigaction(fatal[i], &action, NULL);
        }
    }
}

static int replace_create(struct replace *replace)
{
    static unsigned number;
    for (int i = 0; i < ATTEMPTS; i++) {
        snprintf(replace->temporary, sizeof replace->temporary, ".pprof-symbolize.%d.%u",
                 (int)getpid(), number++);
        replace->fd = openat(replace->folder, replace->temporary,
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (replace->fd >= 0) {
            memcpy(guarded_name, replace->temporary, sizeof guarded_name);
            guarded_folder = replace->folder;
            return 0;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return -errno;
}

int replace_begin(struct replace *replace, const char *path, int old)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    memset(replace, 0, sizeof *replace);
    replace->fd = -1;
    if (slash && (size_t)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path) >=
                     sizeof folder) {
        return -ENAMETOOLONG;
    }
    if ((size_t)snprintf(replace->base, sizeof replace->base, "%s", slash ? slash + 1 : path) >=
        sizeof replace->base) {
        return -ENAMETOOLONG;
    }
    if (replace->base[0] == '\0') {
        return -EISDIR;
    }
    if (old >= 0 && fstat(old, &replace->old) != 0) {
        return -errno;
    }
    replace->replaces = old >= 0;
    replace->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (replace->folder < 0) {
        return -errno;
    }
    int error = replace_create(replace);
    if (error) {
        close(replace->folder);
        return error;
    }
    /* The new file gets the old one's owner, group and mode, as far as we are allowed: it may be
     * shared with a group, or we may be root. */
    if (replace->replaces && (fchown(replace->fd, replace->old.st_uid, replace->old.st_gid) == 0 ||
                              replace->old.st_uid == geteuid())) {
        (void)!fchmod(replace->fd, replace->old.st_mode & 0777);
    }
    return 0;
}

static bool replace_is_old(const struct replace *replace, const char *name)
{
    struct stat st;
    return fstatat(replace->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == replace->old.st_dev && st.st_ino == replace->old.st_ino;
}

static int replace_exchange(struct replace *replace)
{
    int folder = replace->folder;
    if (renameat2(folder, replace->temporary, folder, replace->base, RENAME_EXCHANGE) == 0) {
        if (replace_is_old(replace, replace->temporary)) {
            return 0;
        }
        renameat2(folder, replace->temporary, folder, replace->base, RENAME_EXCHANGE);
        return -EBUSY;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -errno;
    }
    struct stat st;
    if (fstatat(folder, replace->base, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    if (!replace_is_old(replace, replace->base)) {
        return -EBUSY;
    }
    return renameat(folder, replace->temporary, folder, replace->base) == 0 ? 0 : -errno;
}

static void replace_end(struct replace *replace)
{
    unlinkat(replace->folder, replace->temporary, 0);
    guarded_folder = -1;
    close(replace->fd);
    close(replace->folder);
}

int replace_commit(struct replace *replace)
{
    int error = 0;
    if (replace->replaces) {
        error = replace_exchange(replace);
    } else if (renameat(replace->folder, replace->temporary, replace->folder, replace->base) != 0) {
        error = -errno;
    }
    replace_end(replace); /* removes what has the temporary name: the old file, or the new one */
    return error;
}

void replace_abandon(struct replace *replace)
{
    replace_end(replace);
}
