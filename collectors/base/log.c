/* SPDX-License-Identifier: MIT
 *
 * See log.h: one write per line, so that lines of several processes do not mix.
 */
#include "collectors/base/log.h"

#include "collectors/base/root.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool open_now;
static const char *file;
static struct identity known; /* of the file, when it was opened first */
static int about;             /* see log_process(); 0 = the writing process */

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

/* O_NONBLOCK: the opening of a pipe without a reader would wait for ever. Without O_CREAT first:
 * in a folder such as /tmp, the kernel refuses it to a process that may write to the file but is
 * not its owner. Under another root the file is written only if it is the same one. */
static int file_open(const char *path)
{
    enum { FLAGS = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY };
    bool elsewhere = root_is_another();
    int fd = sys_open(path, FLAGS, 0);
    if (fd == -ENOENT && !elsewhere) {
        fd = sys_open(path, FLAGS | O_CREAT, 0600);
    }
    if (fd >= 0 && elsewhere) {
        struct identity it = identity_of(fd);
        if (!identity_same(&it, &known)) {
            sys_close(fd);
            return -ENOENT;
        }
    }
    return fd;
}

int log_to(const char *path)
{
    if (path) {
        int fd = file_open(path);
        if (fd < 0) {
            return fd;
        }
        known = identity_of(fd);
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

/* ---- given to another user ---- */

/* A POSIX access control list as the kernel has it in the attribute "system.posix_acl_access"
 * (linux/posix_acl_xattr.h), in the byte order of all machines that this library is for. */
enum { ACL_VERSION = 2, ACL_ENTRIES = 64, ACL_NO_ID = -1 };
enum { ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_MASK = 16, ACL_OTHER = 32 };
enum { ACL_WRITE = 2 };
struct acl_entry {
    uint16_t tag, permission;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct acl_entry entry[ACL_ENTRIES];
};

static const char acl_name[] = "system.posix_acl_access";

/* The number of its entries, as the mode says where the file has no list. Or -errno. */
static long acl_read(int fd, struct acl *acl, unsigned mode)
{
    long got = sys_call4(SYS_fgetxattr, fd, acl_name, acl, sizeof *acl);
    if (got > (long)sizeof acl->version && acl->version == ACL_VERSION) {
        return (got - (long)sizeof acl->version) / (long)sizeof acl->entry[0];
    }
    acl->version = ACL_VERSION;
    acl->entry[0] = (struct acl_entry){ACL_USER_OBJ, mode >> 6 & 7, ACL_NO_ID};
    acl->entry[1] = (struct acl_entry){ACL_GROUP_OBJ, mode >> 3 & 7, ACL_NO_ID};
    acl->entry[2] = (struct acl_entry){ACL_OTHER, mode & 7, ACL_NO_ID};
    return got == -ENODATA ? 3 : got < 0 ? got : -EINVAL;
}

/* Adds an entry where the kernel wants it: by tag, then by id. False: it is there, or no room. */
static bool acl_add(struct acl *acl, size_t *n, struct acl_entry e)
{
    size_t i = 0;
    while (i < *n &&
           (acl->entry[i].tag < e.tag || (acl->entry[i].tag == e.tag && acl->entry[i].id < e.id))) {
        i++;
    }
    if (*n == ACL_ENTRIES || (i < *n && acl->entry[i].tag == e.tag && acl->entry[i].id == e.id)) {
        return false;
    }
    memmove(&acl->entry[i + 1], &acl->entry[i], (*n - i) * sizeof e);
    acl->entry[i] = e;
    ++*n;
    return true;
}

void log_give(uint32_t user)
{
    struct stat st;
    struct acl acl;
    int fd = file && !root_is_another() ? file_open(file) : -ENOENT;
    if (fd < 0) {
        return;
    }
    uint32_t own = (uint32_t)sys_call0(SYS_geteuid);
    if (sys_call2(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
        st.st_uid == own) {
        long got = acl_read(fd, &acl, st.st_mode);
        size_t n = got > 0 ? (size_t)got : 0;
        uint16_t group = st.st_mode >> 3 & 7;
        if (got == -EOPNOTSUPP) { /* a file system without such lists */
            sys_call3(SYS_fchown, fd, user, -1);
        } else if (n > 0 && acl_add(&acl, &n, (struct acl_entry){ACL_USER, ACL_WRITE, user})) {
            acl_add(&acl, &n, (struct acl_entry){ACL_MASK, group | ACL_WRITE, ACL_NO_ID});
            sys_call5(SYS_fsetxattr, fd, acl_name, &acl,
                      sizeof acl.version + n * sizeof acl.entry[0], 0);
        }
    }
    sys_close(fd);
}
