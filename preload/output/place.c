/* SPDX-License-Identifier: MIT
 *
 * See place.h. Others may be able to write to PPROF_OUT (it may lie in /tmp). So a folder of a user
 * is never found through a link, is used only by its owner, and is given away by root only if no
 * other user can put another folder in its place meanwhile.
 */
#include "preload/output/place.h"

#include "collectors/base/log.h"
#include "collectors/base/root.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "encoder/maps.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_BYTES = sizeof "uid-4294967295", OF_OTHERS = S_IWGRP | S_IWOTH };

static const char *out = "";
static uint32_t first_user;
static uint32_t given;           /* the user that has been given a folder last */
static struct identity home;     /* of PPROF_OUT, before the root was changed */
static char inside[PLACE_BYTES]; /* its path under the new root; "": it is outside */

void place_start(const char *path, uint32_t user)
{
    out = path;
    first_user = user;
    given = user;
}

static uint32_t own_user(void)
{
    return (uint32_t)sys_call0(SYS_geteuid);
}

/* ---- which user is this? ---- */

/* In a user namespace a user has another number. Does `user` stand for the first user of the
 * namespace outside? The lines of the map say: inside, outside, how many. */
static bool is_first_user_mapped(uint32_t user)
{
    char map[1024];
    int fd = sys_open("/proc/self/uid_map", O_RDONLY, 0);
    long got = fd >= 0 ? sys_read(fd, map, sizeof map - 1) : 0;
    if (fd >= 0) {
        sys_close(fd);
    }
    map[got > 0 ? got : 0] = '\0';
    for (const char *p = map; *p;) {
        int64_t n[3] = {0, 0, 0};
        for (int i = 0; i < 3; i++) {
            p += strspn(p, " ");
            text_read_int(&p, &n[i]);
        }
        if (user >= n[0] && user < n[0] + n[2]) {
            return n[1] + user - n[0] == first_user;
        }
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    return false;
}

static bool is_another_user(uint32_t user)
{
    return user != first_user && !is_first_user_mapped(user);
}

/* ---- the folders ---- */

/* A folder that root makes can be passed through by other users, because there may be one of theirs
 * in it. The umask may have taken that away, and is the program's. */
static long make(const char *path)
{
    struct stat st;
    long made = sys_call3(SYS_mkdirat, AT_FDCWD, path, 0700);
    if (made == 0 && own_user() == 0) {
        int dir = sys_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (dir >= 0) {
            if (sys_call2(SYS_fstat, dir, &st) == 0 && st.st_uid == 0 && !(st.st_mode & 077)) {
                sys_call2(SYS_fchmod, dir, 0711);
            }
            sys_close(dir);
        }
    }
    return made;
}

/* Opens PPROF_OUT, making what is missing of its path. Descriptor or -errno. */
static int open_out(int flags)
{
    char path[PLACE_BYTES];
    int dir = sys_open(out, flags | O_DIRECTORY, 0);
    if (dir != -ENOENT || strlen(out) >= sizeof path) {
        return dir;
    }
    memcpy(path, out, strlen(out) + 1);
    for (char *p = path + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            make(path); /* fails where it exists, which is as good */
            *p = '/';
        }
    }
    int made = (int)make(path);
    dir = sys_open(path, flags | O_DIRECTORY, 0);
    return dir == -ENOENT && made != 0 ? made : dir;
}

static void name_of(char name[NAME_BYTES], uint32_t user)
{
    struct text t = text_in(name, NAME_BYTES);
    text_add(&t, "uid-");
    text_add_int(&t, user, 0);
}

/* Opens the folder of the process's own user in `dir`. Descriptor or -errno. */
static int open_own(int dir, uint32_t user, bool may_make)
{
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW };
    char name[NAME_BYTES];
    struct stat st;
    name_of(name, user);
    int own = sys_openat(dir, name, FLAGS, 0);
    if (own == -ENOENT && may_make) {
        long made = sys_call3(SYS_mkdirat, dir, name, 0700);
        own = made == 0 || made == -EEXIST ? sys_openat(dir, name, FLAGS, 0) : (int)made;
    }
    if (own >= 0 && (sys_call2(SYS_fstat, own, &st) != 0 || st.st_uid != user)) {
        sys_close(own);
        return -EPERM;
    }
    return own;
}

/* Under another root. *path: the one by which PPROF_OUT is found there. */
static int open_same(const char **path)
{
    const char *const paths[] = {inside, out};
    for (size_t i = 0; i < 2; i++) {
        int dir = *paths[i] ? sys_open(paths[i], O_PATH | O_DIRECTORY, 0) : -ENOENT;
        if (dir >= 0) {
            struct identity it = identity_of(dir);
            if (identity_same(&it, &home)) {
                *path = paths[i];
                return dir;
            }
            sys_close(dir);
        }
    }
    return -EXDEV;
}

static bool is_writable(int dir)
{
    return sys_call3(SYS_faccessat, dir, ".", 2 /* W_OK */) == 0;
}

/* Opens PPROF_OUT under whatever root there is; *path: by which path. */
static int open_here(const char **path)
{
    *path = out;
    return root_is_another() ? open_same(path) : open_out(O_PATH);
}

int place_open(char path[PLACE_BYTES])
{
    struct text t = text_in(path, PLACE_BYTES);
    const char *found;
    uint32_t user = own_user();
    bool another = is_another_user(user);
    int dir = open_here(&found);
    text_add(&t, found);
    /* A process that does not know of the first one, because its environment was emptied, finds
     * the folder of its user if there is one. */
    if (dir < 0 || (!another && is_writable(dir))) {
        return dir;
    }
    int own = open_own(dir, user, another);
    if (own < 0 && !another) {
        return dir;
    }
    sys_close(dir);
    char name[NAME_BYTES];
    name_of(name, user);
    text_add(&t, "/");
    text_add(&t, name);
    return own;
}

/* ---- before the user changes ---- */

/* Can only root and this process's user put another folder in the place of one in it? */
static bool is_safe(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == own_user()) &&
           (!(st->st_mode & OF_OTHERS) || st->st_mode & S_ISVTX);
}

/* Makes the user's folder, unless there is one. */
static void give(int dir, uint32_t user)
{
    char name[NAME_BYTES];
    struct stat st;
    name_of(name, user);
    if (sys_call2(SYS_fstat, dir, &st) != 0 || !is_safe(&st) ||
        sys_call3(SYS_mkdirat, dir, name, 0700) != 0) {
        return;
    }
    int own = sys_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    bool is_given = own >= 0 && sys_call2(SYS_fstat, own, &st) == 0 && st.st_uid == own_user() &&
                    sys_call2(SYS_fchmod, own, 0700) == 0 &&
                    sys_call3(SYS_fchown, own, user, sys_call0(SYS_getegid)) == 0;
    if (own >= 0) {
        sys_close(own);
    }
    if (!is_given) {
        sys_call3(SYS_unlinkat, dir, name, AT_REMOVEDIR);
    }
}

/* May a user pass through this folder? What its groups may is not known before the change. */
static bool lets_pass(const char *path, uint32_t user)
{
    struct stat st;
    if (sys_call4(SYS_newfstatat, AT_FDCWD, path, &st, 0) != 0) {
        return false;
    }
    unsigned own_group = (unsigned)sys_call0(SYS_getegid);
    return st.st_mode & (st.st_uid == user ? S_IXUSR : st.st_gid == own_group ? S_IXGRP : S_IXOTH);
}

static bool is_reachable(const char *folder, uint32_t user)
{
    char path[PLACE_BYTES];
    struct text t = text_in(path, sizeof path);
    text_add(&t, folder);
    bool passes = user == 0 || lets_pass("/", user);
    for (char *p = path + 1; passes && user != 0; p++) {
        if (*p == '/' || *p == '\0') {
            char c = *p;
            *p = '\0';
            passes = lets_pass(path, user);
            *p = c;
            if (c == '\0') {
                break;
            }
        }
    }
    return passes;
}

static void say(const char *before, const char *object, const char *after)
{
    char line[600];
    struct text t = text_in(line, sizeof line);
    text_add(&t, before);
    text_add_n(&t, object, strnlen(object, 400));
    text_add(&t, after);
    log_line(line);
}

bool place_before_user(uint32_t user)
{
    if (user == LOAD(&given) || user == own_user() || !is_another_user(user)) {
        return true;
    }
    STORE(&given, user);
    log_give(user);
    const char *found;
    int dir = open_here(&found);
    if (dir == -EXDEV) {
        return true; /* the change of the root has said so */
    }
    if (dir >= 0) {
        give(dir, user);
        sys_close(dir);
    }
    bool reachable = dir >= 0 && is_reachable(found, user);
    if (!reachable) {
        say("the program changes its user, which cannot reach ", out,
            ": what it does from here on is not written");
    }
    return reachable;
}

/* ---- before the root changes ---- */

/* The path that leads to an open folder, without links. False: not known. */
static bool path_of(int dir, char path[PLACE_BYTES])
{
    char link[32];
    struct text t = text_in(link, sizeof link);
    text_add(&t, "/proc/self/fd/");
    text_add_int(&t, dir, 0);
    long n = sys_call4(SYS_readlinkat, AT_FDCWD, link, path, PLACE_BYTES - 1);
    path[n > 0 ? n : 0] = '\0';
    return path[0] == '/';
}

/* If PPROF_OUT is below the folder that becomes the root, `inside` is its path there. */
static void find_inside(int dir, const char *root)
{
    char of_out[PLACE_BYTES];
    char of_root[PLACE_BYTES];
    int fd = root ? sys_open(root, O_PATH | O_DIRECTORY, 0) : -ENOENT;
    inside[0] = '\0';
    if (fd >= 0) {
        if (path_of(dir, of_out) && path_of(fd, of_root)) {
            size_t n = strlen(of_root);
            if (n < strlen(of_out) && memcmp(of_out, of_root, n) == 0 && of_out[n] == '/') {
                memcpy(inside, of_out + n, strlen(of_out + n) + 1);
            }
        }
        sys_close(fd);
    }
}

bool place_before_root(const char *root)
{
    struct identity now = identity_at("/");
    struct identity next = root ? identity_at(root) : (struct identity){0, 0};
    if (root_is_another() || identity_same(&now, &next)) {
        return true;
    }
    if (root && next.inode == 0) {
        return true; /* there is no such folder, so the program keeps its root */
    }
    int dir = open_out(O_PATH);
    if (dir < 0) {
        return true; /* nothing can be written as it is */
    }
    home = identity_of(dir);
    find_inside(dir, root);
    sys_close(dir);
    maps_keep(); /* there may be no /proc */
    if (!inside[0]) {
        say("the program changes its root", "",
            ": what it does from here on is not written, unless "
            "PPROF_OUT is the same folder there");
    }
    return inside[0] != '\0';
}
