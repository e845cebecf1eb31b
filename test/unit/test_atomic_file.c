/* SPDX-License-Identifier: MIT
 *
 * encoder/atomic_file.h: a file appears whole or not at all, never replaces another, and leaves
 * nothing behind.
 */
#include "encoder/atomic_file.h"

#include "test/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool holds(const char *folder, const char *entries)
{
    char command[300];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    return command_says(command, entries);
}

static void test_atomic_file(void **state)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s/files", (char *)*state);
    assert_int_equal(mkdir(folder, 0700), 0);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct atomic_file f;
    struct stat st;
    mode_t mask = umask(0777);
    assert_int_equal(atomic_file_open(&f, dir, "a.pb.gz"), 0);
    umask(mask);
    assert_int_equal(atomic_file_write(&f, "whole", 5), 0);
    assert_int_equal(f.temporary[0], '.');
    assert_int_equal(fstatat(dir, "a.pb.gz", &st, 0), -1); /* no such name before the commit */
    assert_int_equal(atomic_file_commit(&f, "a.pb.gz"), 0);
    assert_int_equal(fstatat(dir, "a.pb.gz", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true((st.st_mode & 07777) == 0600 && st.st_size == 5 && st.st_nlink == 1);
    assert_true(holds(folder, "1\n"));
    /* A name is taken by a file, the next one by a link that leads nowhere, the third is free. */
    assert_int_equal(symlinkat("/nonexistent/target", dir, "b"), 0);
    assert_int_equal(atomic_file_open(&f, dir, "a.pb.gz"), 0);
    assert_int_equal(atomic_file_commit(&f, "a.pb.gz"), -EEXIST);
    assert_int_equal(atomic_file_rename(&f, "b"), -EEXIST);
    assert_int_equal(atomic_file_rename(&f, "c"), 0);
    assert_int_equal(atomic_file_rename(&f, "d"), -EINVAL);
    assert_int_equal(fstatat(dir, "a.pb.gz", &st, 0), 0);
    assert_int_equal(st.st_size, 5);
    assert_true(holds(folder, "3\n"));
    /* A write error sticks and removes. */
    assert_int_equal(atomic_file_open(&f, dir, "e"), 0);
    int good = f.fd;
    f.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(atomic_file_write(&f, "x", 1), -ENOSPC);
    assert_int_equal(atomic_file_write(&f, "x", 1), -ENOSPC);
    close(good);
    assert_int_equal(atomic_file_commit(&f, "e"), -ENOSPC);
    /* A final name that is too long, while the temporary one is not. */
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[299] = '\0';
    assert_int_equal(atomic_file_open(&f, dir, name), 0);
    assert_int_equal(atomic_file_commit(&f, name), -ENAMETOOLONG);
    assert_int_equal(atomic_file_open(&f, dir, "f"), 0);
    atomic_file_abandon(&f);
    atomic_file_abandon(&f);
    assert_true(holds(folder, "3\n"));
    /* The folder is removed between open and commit, and before open. */
    assert_int_equal(unlinkat(dir, "a.pb.gz", 0) + unlinkat(dir, "b", 0) + unlinkat(dir, "c", 0),
                     0);
    assert_int_equal(atomic_file_open(&f, dir, "g"), 0);
    assert_int_equal(unlinkat(dir, f.temporary, 0) + rmdir(folder), 0);
    assert_int_equal(atomic_file_commit(&f, "g"), -ENOENT);
    assert_int_equal(atomic_file_open(&f, dir, "h"), -ENOENT);
    atomic_file_abandon(&f);
    close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_atomic_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
