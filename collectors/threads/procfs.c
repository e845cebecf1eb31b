/* SPDX-License-Identifier: MIT
 *
 * See procfs.h. Files are read in one piece into a buffer on the stack and parsed there.
 */
#include "collectors/threads/procfs.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"

#include <errno.h>
#include <string.h>

enum { PATH_BYTES = 64 };

/* "/proc/<pid>/task" or "/proc/<pid>/task/<tid>/<what>" */
static void path_of(char *path, int pid, int tid, const char *what)
{
    struct text t = text_in(path, PATH_BYTES);
    text_add(&t, "/proc/");
    if (pid) {
        text_add_int(&t, pid, 0);
    } else {
        text_add(&t, "self");
    }
    text_add(&t, "/task");
    if (what) {
        text_add(&t, "/");
        text_add_int(&t, tid, 0);
        text_add(&t, "/");
        text_add(&t, what);
    }
}

/* Reads the first size - 1 bytes of a file and adds a 0. Their number, or -errno. */
static long read_file(int pid, int tid, const char *what, char *buf, size_t size)
{
    char path[PATH_BYTES];
    path_of(path, pid, tid, what);
    int fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    long got = sys_read(fd, buf, size - 1);
    sys_close(fd);
    buf[got > 0 ? got : 0] = '\0';
    return got;
}

struct dirent_raw { /* what getdents64 fills in */
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[];
};

int procfs_threads(int pid, void (*visit)(int tid, void *arg), void *arg)
{
    char path[PATH_BYTES];
    path_of(path, pid, 0, NULL);
    int dir = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0) {
        return dir;
    }
    _Alignas(8) char buf[512]; /* small: the caller may be on an alternate stack of a few KiB */
    int found = 0;
    long got;
    while ((got = sys_call3(SYS_getdents64, dir, buf, sizeof buf)) > 0) {
        for (long at = 0; at < got;) {
            const struct dirent_raw *d = (const void *)(buf + at);
            const char *digits = d->name;
            int64_t tid;
            if (text_read_int(&digits, &tid)) {
                visit((int)tid, arg);
                found++;
            }
            at += d->reclen;
        }
    }
    sys_close(dir);
    return found;
}

static bool read_word(const char **s, uintptr_t *word)
{
    uint64_t v;
    *s += strspn(*s, " ");
    *s += strncmp(*s, "0x", 2) == 0 ? 2 : 0;
    bool good = text_read_hex(s, &v);
    *word = good ? v : 0;
    return good;
}

int procfs_call(int pid, int tid, struct procfs_call *call)
{
    char buf[256];
    int64_t number;
    long got = read_file(pid, tid, "syscall", buf, sizeof buf);
    if (got <= 0) {
        return got < 0 ? (int)got : -ESRCH;
    }
    const char *s = buf;
    *call = (struct procfs_call){0};
    if (!text_read_int(&s, &number)) {
        return 0; /* "running" */
    }
    call->number = number;
    bool good = true;
    for (int i = 0; number >= 0 && i < 6; i++) {
        good &= read_word(&s, &call->arg[i]);
    }
    good &= read_word(&s, &call->sp);
    good &= read_word(&s, &call->pc);
    return good ? 1 : -EINVAL;
}

char procfs_state(int pid, int tid)
{
    char buf[128];
    long got = read_file(pid, tid, "stat", buf, sizeof buf);
    /* "1234 (name) R ...", where the name may hold any character, also ')' */
    const char *name_end = got > 0 ? strrchr(buf, ')') : NULL;
    return name_end && name_end[1] == ' ' ? name_end[2] : '\0';
}

void procfs_name(int pid, int tid, char name[16])
{
    char buf[32];
    long got = read_file(pid, tid, "comm", buf, sizeof buf);
    size_t n = got > 0 ? strcspn(buf, "\n") : 0;
    n = n > 15 ? 15 : n;
    memset(name, 0, 16);
    memcpy(name, buf, n);
    text_make_utf8(name, n);
}

/* Where the number begins in the line "name : number" of a text. False: there is no such line. */
static bool find_line(const char *text, const char *name, const char **number)
{
    const char *at = strstr(text, name);
    if (!at) {
        return false;
    }
    at += strlen(name);
    *number = at + strspn(at, " \t:");
    return true;
}

int64_t procfs_last_ran(int pid, int tid)
{
    char buf[512];
    const char *number;
    int64_t ms;
    long got = read_file(pid, tid, "sched", buf, sizeof buf);
    return got > 0 && find_line(buf, "se.exec_start", &number) && text_read_int(&number, &ms) ? ms
                                                                                              : -1;
}

bool procfs_blocks(int pid, int tid, int signal)
{
    char buf[2048];
    const char *number;
    uint64_t mask;
    long got = read_file(pid, tid, "status", buf, sizeof buf);
    return got > 0 && find_line(buf, "SigBlk:", &number) && text_read_hex(&number, &mask) &&
           mask >> (signal - 1) & 1;
}

uint64_t procfs_peak_bytes(void)
{
    char buf[2048];
    const char *number;
    int64_t kib;
    int fd = sys_open("/proc/self/status", O_RDONLY, 0); /* memory is shared with the program's */
    long got = fd >= 0 ? sys_read(fd, buf, sizeof buf - 1) : fd;
    if (fd >= 0) {
        sys_close(fd);
    }
    buf[got > 0 ? got : 0] = '\0';
    return find_line(buf, "VmHWM:", &number) && text_read_int(&number, &kib) ? (uint64_t)kib << 10
                                                                             : 0;
}
