/* SPDX-License-Identifier: MIT
 *
 * See root.h.
 */
#include "collectors/base/root.h"

#include "collectors/base/sys.h"

#include <sys/stat.h>

static struct identity at_start; /* of the root */

static struct identity identity(long err, const struct stat *st)
{
    return err == 0 ? (struct identity){st->st_dev, st->st_ino} : (struct identity){0, 0};
}

struct identity identity_of(int fd)
{
    struct stat st;
    return identity(sys_call2(SYS_fstat, fd, &st), &st);
}

struct identity identity_at(const char *path)
{
    struct stat st;
    return identity(sys_call4(SYS_newfstatat, AT_FDCWD, path, &st, 0), &st);
}

bool identity_same(const struct identity *a, const struct identity *b)
{
    return a->inode != 0 && a->device == b->device && a->inode == b->inode;
}

void root_remember(void)
{
    at_start = identity_at("/");
}

bool root_is_another(void)
{
    struct identity now = identity_at("/");
    return at_start.inode != 0 && !identity_same(&now, &at_start);
}
