/* SPDX-License-Identifier: MIT
 *
 * See atomic_file.h.
 */
#include "encoder/atomic_file.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

enum {
    FILE_MODE = 0600,
    FINAL_PART = 200, /* bytes of the final name in the temporary one: leaves 55 for the rest */
    OPEN_TRIES = 100,
};

/* ".final.1a2b3c4d.tmp". It does not end in .pb.gz, so programs that pick up such files leave it
 * alone. The hexadecimal part is the time, not the pid: processes of two containers may have equal
 * pids and write into the same folder. */
static void name_temporary(struct atomic_file *f, const char *final_name)
{
    struct text name = text_in(f->temporary, sizeof f->temporary);
    size_t n = strlen(final_name);
    text_add(&name, ".");
    text_add_n(&name, final_name, n < FINAL_PART ? n : FINAL_PART);
    text_add(&name, ".");
    text_add_hex(&name, (uint64_t)sys_clock_ns(CLOCK_REALTIME) ^ (uintptr_t)f);
    text_add(&name, ".tmp");
}

int atomic_file_open(struct atomic_file *f, int dir, const char *final_name)
{
    *f = (struct atomic_file){.dir = dir, .fd = -EEXIST};
    for (int i = 0; i < OPEN_TRIES && f->fd == -EEXIST; i++) {
        name_temporary(f, final_name);
        f->fd = sys_openat(dir, f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
    }
    if (f->fd < 0) {
        f->error = f->fd;
        f->fd = -1;
        f->temporary[0] = '\0';
        return f->error;
    }
    /* The program's umask may have taken bits away. A file system without modes refuses: ignored.
     */
    sys_call2(SYS_fchmod, f->fd, FILE_MODE);
    return 0;
}

int atomic_file_write(void *file, const void *buf, size_t n)
{
    struct atomic_file *f = file;
    if (f->error == 0) {
        f->error = sys_write_all(f->fd, buf, n);
    }
    return f->error;
}

static int file_close(struct atomic_file *f)
{
    /* Network file systems may report a write error only at close. With EINTR the descriptor is
     * closed all the same. */
    long err = f->fd >= 0 ? sys_call1(SYS_close, f->fd) : 0;
    f->fd = -1;
    return err == -EINTR ? 0 : (int)err;
}

static int remove_name(int dir, const char *name)
{
    return (int)sys_call3(SYS_unlinkat, dir, name, 0);
}

/* For file systems that have neither a rename without replacement nor links (some in user space):
 * creates an empty file of the final name, which fails if the name is taken, and renames over it.
 */
static int rename_over_own(struct atomic_file *f, const char *final_name)
{
    int fd = sys_openat(f->dir, final_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
    if (fd < 0) {
        return fd;
    }
    sys_close(fd);
    int err = (int)sys_call4(SYS_renameat, f->dir, f->temporary, f->dir, final_name);
    if (err < 0) {
        (void)remove_name(f->dir, final_name);
    }
    return err;
}

static int rename_without_replacing(struct atomic_file *f, const char *final_name)
{
    int err =
        (int)sys_call5(SYS_renameat2, f->dir, f->temporary, f->dir, final_name, RENAME_NOREPLACE);
    if (err != -EINVAL && err != -ENOSYS && err != -EPERM) {
        return err;
    }
    /* The file system (NFS, for one) or a filter of system calls does not know renameat2's flags.
     * linkat never replaces a file either. */
    err = (int)sys_call5(SYS_linkat, f->dir, f->temporary, f->dir, final_name, 0);
    if (err == 0) {
        (void)remove_name(f->dir, f->temporary);
        return 0;
    }
    bool no_links = err == -EPERM || err == -EOPNOTSUPP || err == -ENOSYS || err == -EINVAL;
    return no_links ? rename_over_own(f, final_name) : err;
}

int atomic_file_rename(struct atomic_file *f, const char *final_name)
{
    if (f->error != 0 || f->temporary[0] == '\0') {
        return f->error != 0 ? f->error : -EINVAL;
    }
    int err = rename_without_replacing(f, final_name);
    if (err == 0) {
        f->temporary[0] = '\0';
    } else if (err != -EEXIST) {
        f->error = err;
        atomic_file_abandon(f);
    }
    return err;
}

int atomic_file_commit(struct atomic_file *f, const char *final_name)
{
    int err = file_close(f);
    if (f->error == 0) {
        f->error = err;
    }
    if (f->error != 0) {
        atomic_file_abandon(f);
        return f->error;
    }
    return atomic_file_rename(f, final_name);
}

void atomic_file_abandon(struct atomic_file *f)
{
    (void)file_close(f);
    if (f->temporary[0]) {
        (void)remove_name(f->dir, f->temporary);
        f->temporary[0] = '\0';
    }
}
