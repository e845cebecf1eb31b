/* SPDX-License-Identifier: MIT
 *
 * See adoption.h. The kernel does not say which ancestors are subreapers. The hook of prctl() sees
 * it in processes that are injected, and the marker in the environment
 * (marker.h) tells their descendants.
 */
#include "preload/output/adoption.h"

#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "preload/marker.h"

#include <string.h>
#include <sys/stat.h>

#define FIRST_PID_NAMESPACE 0xEFFFFFFCUL /* PROC_PID_INIT_INO of the kernel's proc_ns.h */

/* Programs that collect every orphan and say nothing of it. supervisord does too, but writes a line
 * into its log for each; a shell does so only while it waits for something. */
static const char *const inits[] = {
    "systemd",     "init",      "tini",  "tini-static", "dumb-init",   "docker-init",
    "podman-init", "catatonit", "runit", "s6-svscan",   "openrc-init", "dinit",
    "finit",       "my_init",   "pause", "bwrap",
};

/* The beginning of a file, without its newline. Empty: it cannot be read. */
static void read_start(const char *path, char *buf, size_t size)
{
    int fd = sys_open(path, O_RDONLY, 0);
    long got = fd >= 0 ? sys_read(fd, buf, size - 1) : 0;
    if (fd >= 0) {
        sys_close(fd);
    }
    buf[got > 0 ? got : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
}

/* Is /proc that of the pid namespace which the caller is in? */
static bool procfs_is_ours(void)
{
    char stat[32];
    const char *p = stat;
    int64_t pid;
    read_start("/proc/self/stat", stat, sizeof stat);
    return text_read_int(&p, &pid) && pid == sys_getpid();
}

static bool process_1_is_init(void)
{
    struct stat own;
    char name[32];
    if (sys_call4(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &own, 0) == 0 &&
        own.st_ino == FIRST_PID_NAMESPACE) {
        return true;
    }
    read_start("/proc/1/comm", name, sizeof name);
    for (size_t i = 0; i < ARRAY_LEN(inits); i++) {
        if (strcmp(name, inits[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool adoption_collects(void)
{
    return !marker_has_subreaper() && procfs_is_ours() && process_1_is_init();
}
