/* SPDX-License-Identifier: MIT
 *
 * A program that changes what it may do, and a look at what runs beside it.
 *
 *     rights change N       N children, each of which gives something up in another way, and asks
 *                           for a dump before and after. Prints how many could.
 *     rights raw            gives all up by inline system calls, and lives for 3 s
 *     rights errors         prints the result and errno of each function for arguments that fail
 *     rights watch ARGS…    runs itself with ARGS… under the library ($RIGHTS_PRELOAD), and
 * compares what each process of the library's has with what its program has, as often as it can.
 * Prints how often, and what was too much. To be run as the first process of a pid namespace of its
 * own with its own /proc.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int capset(void *header, const void *data);

enum { SOMEONE = 33 };

/* ---- ways to give something up: each returns 0 ---- */

static struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct nothing[2];

static struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static struct sock_fprog filter = {1, allow};

static int way(int number)
{
    gid_t group = SOMEONE;
    switch (number) {
    case 0:
        return setuid(SOMEONE);
    case 1:
        return setgid(SOMEONE);
    case 2:
        return seteuid(SOMEONE);
    case 3:
        return setegid(SOMEONE);
    case 4:
        return setreuid(SOMEONE, SOMEONE);
    case 5:
        return setregid(SOMEONE, SOMEONE);
    case 6:
        return setresuid(SOMEONE, SOMEONE, SOMEONE);
    case 7:
        return setresgid(SOMEONE, SOMEONE, SOMEONE);
    case 8:
        return setgroups(1, &group);
    case 9:
        return initgroups("www-data", SOMEONE) || setuid(SOMEONE);
    case 10:
        return setfsuid(SOMEONE) != 0;
    case 11:
        return setfsgid(SOMEONE) != 0;
    case 12:
        return capset(&head, nothing);
    case 13:
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case 14:
        return prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0);
    case 15:
        return prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0);
    case 16:
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    case 17:
        return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
    case 18:
        return (int)syscall(SYS_capset, &head, nothing);
    case 19:
        return (int)syscall(SYS_setresuid, SOMEONE, SOMEONE, SOMEONE);
    case 20:
        return chroot("/proc") || chdir("/");
    case 21:
        return chroot("/proc") || setgid(SOMEONE) || setuid(SOMEONE);
    case 22:
        return unshare(CLONE_NEWNET);
    case 23:
        return unshare(CLONE_NEWNS);
    default:
        return -1;
    }
}
enum { WAYS = 24 };

static void pause_ms(int ms)
{
    struct timespec t = {0, ms * 1000000L};
    nanosleep(&t, NULL);
}

static int change(int n)
{
    int well = 0;
    for (int i = 0; i < n; i++) {
        pid_t child = fork();
        if (child == 0) {
            raise(SIGUSR2);
            int failed = way(i % WAYS);
            raise(SIGUSR2);
            pause_ms(3);
            _exit(failed != 0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (status == 0) {
            well++;
        } else {
            printf("way %d: status %d\n", i % WAYS, status);
        }
    }
    printf("changed %d of %d\n", well, n);
    return 0;
}

#if defined(__x86_64__)
static long inline_call(long nr, long a, long b, long c)
{
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return r;
}
#else
static long inline_call(long nr, long a, long b, long c)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
#endif

static int raw(void)
{
    pause_ms(300);
    if (inline_call(SYS_setresgid, SOMEONE, SOMEONE, SOMEONE) != 0 ||
        inline_call(SYS_setresuid, SOMEONE, SOMEONE, SOMEONE) != 0) {
        return 1;
    }
    printf("given up\n");
    fflush(stdout);
    for (int i = 0; i < 10; i++) {
        pause_ms(300);
    }
    return 0;
}

static void said(const char *name, long result)
{
    printf("%s %ld %s\n", name, result, result == -1 ? strerrorname_np(errno) : "");
    errno = 0;
}

static int errors(void)
{
    if (setgid(SOMEONE) || setuid(SOMEONE)) {
        return 1;
    }
    said("setuid", setuid(0));
    said("setgid", setgid(0));
    said("seteuid", seteuid(0));
    said("setegid", setegid(0));
    said("setreuid", setreuid(-1, 0));
    said("setregid", setregid(-1, 0));
    said("setresuid", setresuid(0, -1, -1));
    said("setresgid", setresgid(0, -1, -1));
    said("setfsuid", setfsuid(0));
    said("setfsgid", setfsgid(0));
    said("setgroups", setgroups(0, NULL));
    said("initgroups", initgroups("root", 0));
    said("capset", capset(NULL, NULL));
    said("chroot", chroot("/nowhere"));
    said("chroot", chroot("/"));
    said("chroot", chroot((char *)8));
    said("unshare", unshare(CLONE_NEWNET));
    said("unshare", unshare(0));
    said("setns", setns(-1, 0));
    said("pivot_root", syscall(SYS_pivot_root, "/", "/"));
    said("prctl", prctl(PR_CAPBSET_DROP, 1, 0, 0, 0));
    said("prctl", prctl(PR_SET_SECCOMP, 77, 0, 0, 0));
    said("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    said("setuid", syscall(SYS_setuid, 0));
    return 0;
}

/* ---- the watcher ---- */

struct rights {
    char name[32];
    int parent;
    unsigned uid[4], gid[4];
    unsigned long long effective, permitted, bounding;
    int no_new_privileges, filters;
    ino_t root;
};

static int rights_of(int pid, struct rights *r)
{
    char path[64];
    char line[512];
    struct stat st;
    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    r->root = stat(path, &st) == 0 ? st.st_ino : 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    if (!f) {
        return 0;
    }
    char state = 'Z';
    while (fgets(line, sizeof line, f)) {
        sscanf(line, "Name: %31s", r->name);
        sscanf(line, "State: %c", &state);
        sscanf(line, "PPid: %d", &r->parent);
        sscanf(line, "Uid: %u %u %u %u", &r->uid[0], &r->uid[1], &r->uid[2], &r->uid[3]);
        sscanf(line, "Gid: %u %u %u %u", &r->gid[0], &r->gid[1], &r->gid[2], &r->gid[3]);
        sscanf(line, "CapEff: %llx", &r->effective);
        sscanf(line, "CapPrm: %llx", &r->permitted);
        sscanf(line, "CapBnd: %llx", &r->bounding);
        sscanf(line, "NoNewPrivs: %d", &r->no_new_privileges);
        sscanf(line, "Seccomp_filters: %d", &r->filters);
    }
    fclose(f);
    return state != 'Z' && state != 'X';
}

static int lacks(const unsigned of[4], unsigned id)
{
    return id != of[0] && id != of[1] && id != of[2] && id != of[3];
}

/* What a process of ours has that its program, which was looked at before it, had not. */
static const char *too_much(const struct rights *ours, const struct rights *program)
{
    for (int i = 0; i < 4; i++) {
        if (lacks(program->uid, ours->uid[i])) {
            return "user";
        }
        if (lacks(program->gid, ours->gid[i])) {
            return "group";
        }
    }
    return ours->effective & ~program->effective                        ? "effective capabilities"
           : ours->permitted & ~program->permitted                      ? "permitted capabilities"
           : ours->bounding & ~program->bounding                        ? "bounding capabilities"
           : ours->no_new_privileges < program->no_new_privileges       ? "new privileges"
           : ours->filters < program->filters                           ? "no filter"
           : program->root && ours->root && ours->root != program->root ? "another root"
                                                                        : NULL;
}

static long looks, compared, excesses;
static char first_excess[256];

static void look_at(int pid)
{
    struct rights ours, program, parent;
    if (!rights_of(pid, &ours) || strcmp(ours.name, "pprof-scribe") != 0) {
        return;
    }
    int of = ours.parent;
    if (rights_of(of, &parent) && strcmp(parent.name, "pprof-scribe") == 0) {
        of = parent.parent;
    }
    if (of <= 1 || !rights_of(of, &program) || strcmp(program.name, "rights") != 0) {
        return;
    }
    int keeper_or_program = ours.parent;
    if (!rights_of(pid, &ours) || ours.parent != keeper_or_program ||
        strcmp(ours.name, "pprof-scribe") != 0) {
        return;
    }
    compared++;
    const char *what = too_much(&ours, &program);
    if (what && excesses++ == 0) {
        snprintf(first_excess, sizeof first_excess, "%s: uid %u for %u, capabilities %llx for %llx",
                 what, ours.uid[1], program.uid[1], ours.effective, program.effective);
    }
}

static int watch(char **argv)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("LD_PRELOAD", getenv("RIGHTS_PRELOAD"), 1);
        execv(argv[0], argv);
        _exit(99);
    }
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        DIR *all = opendir("/proc");
        struct dirent *e;
        while (all && (e = readdir(all))) {
            if (atoi(e->d_name) > 1) {
                look_at(atoi(e->d_name));
            }
        }
        closedir(all);
        looks++;
    }
    printf("looks %ld compared %ld excesses %ld %s\n", looks, compared, excesses, first_excess);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "watch") == 0) {
        argv[1] = argv[0];
        return watch(argv + 1);
    }
    return strcmp(what, "change") == 0 && argc > 2 ? change(atoi(argv[2]))
           : strcmp(what, "raw") == 0              ? raw()
           : strcmp(what, "errors") == 0           ? errors()
                                                   : 2;
}
