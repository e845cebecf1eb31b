/* SPDX-License-Identifier: MIT
 *
 * See credentials.h. The kernel keeps all of this for each thread, and a raw system call changes it
 * in one thread alone; libc's functions do so in all. As the threads share the memory, a program
 * has whatever one of its threads has. The first thread is asked first, which is nearly always
 * enough; where it has ended or differs, the others are.
 */
#include "preload/output/credentials.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/threads/procfs.h"

#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 64, STATUS_BYTES = 16 << 10, LABEL_BYTES = 256 };

/* Lines of /proc/PID/status. */
static const char *const lines[] = {
    "\nUid:",    "\nGid:",    "\nGroups:",     "\nCapInh:",  "\nCapPrm:",          "\nCapEff:",
    "\nCapBnd:", "\nCapAmb:", "\nNoNewPrivs:", "\nSeccomp:", "\nSeccomp_filters:",
};

/* Links in /proc/PID, each to something that has an identity. */
static const char *const links[] = {
    "root", "ns/user", "ns/mnt", "ns/net", "ns/ipc", "ns/uts", "ns/pid", "ns/cgroup",
};

/* The path of a file about a thread; tid 0: about the calling one. */
static void path_of(char *path, int pid, int tid, const char *file)
{
    struct text t = text_in(path, PATH_BYTES);
    text_add(&t, "/proc/");
    if (tid) {
        text_add_int(&t, pid, 0);
        text_add(&t, "/task/");
        text_add_int(&t, tid, 0);
    } else {
        text_add(&t, "thread-self");
    }
    text_add(&t, "/");
    text_add(&t, file);
}

/* Its bytes, terminated; empty: it cannot be read. */
static void read_file(char *buf, size_t size, int pid, int tid, const char *file)
{
    char path[PATH_BYTES];
    path_of(path, pid, tid, file);
    int fd = sys_open(path, O_RDONLY, 0);
    long got = fd >= 0 ? sys_read(fd, buf, size - 1) : -1;
    if (fd >= 0) {
        sys_close(fd);
    }
    buf[got > 0 ? got : 0] = '\0';
}

static bool same_line(const char *a, const char *b, const char *name)
{
    a = strstr(a, name);
    b = strstr(b, name);
    if (!a || !b) {
        return a == b;
    }
    size_t length = 1 + strcspn(a + 1, "\n");
    return length == 1 + strcspn(b + 1, "\n") && memcmp(a, b, length) == 0;
}

/* The links of a process whose memory cannot be read by the caller (not dumpable, say) may not be
 * followed: then nothing is known, and nothing said. */
static bool same_link(int pid, int tid, const char *name)
{
    char path[PATH_BYTES];
    struct stat its, own;
    path_of(path, pid, tid, name);
    if (sys_call4(SYS_newfstatat, AT_FDCWD, path, &its, 0) != 0) {
        return true;
    }
    path_of(path, 0, 0, name);
    return sys_call4(SYS_newfstatat, AT_FDCWD, path, &own, 0) != 0 ||
           (its.st_dev == own.st_dev && its.st_ino == own.st_ino);
}

static bool same_label(int pid, int tid)
{
    char its[LABEL_BYTES];
    char own[LABEL_BYTES];
    read_file(its, sizeof its, pid, tid, "attr/current");
    read_file(own, sizeof own, 0, 0, "attr/current");
    return its[0] == '\0' || own[0] == '\0' || strcmp(its, own) == 0;
}

struct search {
    int pid;
    bool found, any; /* a thread that is as the caller; any whose state is known */
    char own[STATUS_BYTES], its[STATUS_BYTES];
};

static void look_at(int tid, void *arg)
{
    struct search *s = arg;
    if (s->found) {
        return;
    }
    read_file(s->its, sizeof s->its, s->pid, tid, "status");
    const char *state = strstr(s->its, "\nState:\t");
    if (!state || state[8] == 'Z' || state[8] == 'X') {
        return;
    }
    s->any = true;
    bool same = true;
    for (size_t i = 0; same && i < ARRAY_LEN(lines); i++) {
        same = same_line(s->own, s->its, lines[i]);
    }
    for (size_t i = 0; same && i < ARRAY_LEN(links); i++) {
        same = same_link(s->pid, tid, links[i]);
    }
    s->found = same && same_label(s->pid, tid);
}

bool credentials_are_of(int pid)
{
    struct search s;
    s.pid = pid;
    s.found = s.any = false;
    read_file(s.own, sizeof s.own, 0, 0, "status");
    if (s.own[0] == '\0') {
        return true;
    }
    look_at(pid, &s);
    if (!s.found) {
        procfs_threads(pid, look_at, &s);
    }
    return s.found || !s.any;
}
