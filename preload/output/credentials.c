/* SPDX-License-Identifier: MIT
 *
 * See credentials.h.
 */
#include "preload/output/credentials.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <stdint.h>
#include <string.h>

enum { GROUPS = 256 };

/* Reads the numbers of the line that begins with `name` (with the newline before it and the colon)
 * into numbers[n]. How many it has found. */
static int read_numbers(const char *status, const char *name, uint32_t *numbers, int n)
{
    const char *p = strstr(status, name);
    int got = 0;
    for (p = p ? p + strlen(name) : ""; got < n; got++) {
        int64_t v;
        p += strspn(p, "\t ");
        if (!text_read_int(&p, &v)) {
            break;
        }
        numbers[got] = (uint32_t)v;
    }
    return got;
}

static bool read_status(int pid, char *buf, size_t size)
{
    char path[32];
    struct text t = text_in(path, sizeof path);
    text_add(&t, "/proc/");
    text_add_int(&t, pid, 0);
    text_add(&t, "/status");
    int fd = sys_open(path, O_RDONLY, 0);
    long got = fd >= 0 ? sys_read(fd, buf, size - 1) : -1;
    if (fd >= 0) {
        sys_close(fd);
    }
    buf[got > 0 ? got : 0] = '\0';
    return got > 0;
}

void credentials_follow(int pid)
{
    char status[4096];
    uint32_t user[3], own_user[3], group[3], own_group[3], groups[GROUPS];
    if (!read_status(pid, status, sizeof status) || read_numbers(status, "\nUid:", user, 3) != 3 ||
        read_numbers(status, "\nGid:", group, 3) != 3) {
        return;
    }
    sys_call3(SYS_getresuid, &own_user[0], &own_user[1], &own_user[2]);
    sys_call3(SYS_getresgid, &own_group[0], &own_group[1], &own_group[2]);
    if (memcmp(user, own_user, sizeof user) == 0 && memcmp(group, own_group, sizeof group) == 0) {
        return;
    }
    int n = read_numbers(status, "\nGroups:", groups, GROUPS);
    /* Only root may change the groups. Either the old user is root, and the first round does it, or
     * the new one is, and the second round does. */
    for (int i = 0; i < 2; i++) {
        sys_call2(SYS_setgroups, n, groups);
        sys_call3(SYS_setresgid, group[0], group[1], group[2]);
        sys_call3(SYS_setresuid, user[0], user[1], user[2]);
    }
}
