/* SPDX-License-Identifier: MIT
 *
 * See fetch.h. The client is elfutils' libdebuginfod, loaded when the first file is wanted, since
 * most machines need none and do not have it. It runs in a child process, which writes into a pipe:
 * so a look-up of a server's name that hangs, which the client cannot break off, ends in time, too.
 *
 * What the child writes: PROGRESS each second while bytes arrive, at the end FOUND and the path, or
 * ABSENT; nothing if no server answers.
 */
#include "encoder/symbolize/fetch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seconds. A server that has the file begins to send it within seconds, even where it has to take
 * it out of a package first; the largest debug files (1 GB) take minutes. */
enum { SILENCE_MAX = 15, TRANSFER_MAX = 600 };
enum { GRACE = 2 }; /* seconds that the child gets to remove its unfinished file */

enum message { PROGRESS = 'p', FOUND = 'f', ABSENT = 'a' };

static struct {
    int64_t silence; /* seconds: SILENCE_MAX, or DEBUGINFOD_TIMEOUT if that is less */
    bool given_up;   /* no server has answered in time */
} * shared;          /* by all processes of this run; NULL: nothing may be fetched */

void fetch_init(void)
{
    const char *wanted = getenv("PPROF_DEBUGINFOD"), *urls = getenv("DEBUGINFOD_URLS");
    if (!wanted || strcmp(wanted, "1") != 0 || !urls || !*urls) {
        unsetenv("DEBUGINFOD_URLS"); /* so that no library asks either */
        return;
    }
    void *at =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED) {
        const char *timeout = getenv("DEBUGINFOD_TIMEOUT");
        long seconds = timeout ? strtol(timeout, NULL, 10) : 0;
        shared = at;
        shared->silence = seconds > 0 && seconds < SILENCE_MAX ? seconds : SILENCE_MAX;
    }
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* ---- in the child ---- */

struct debuginfod_client;
typedef int progress_fn(struct debuginfod_client *client, long a, long b);
typedef int find_fn(struct debuginfod_client *client, const unsigned char *build_id, int len,
                    char **path);

static int pipe_end;
static int64_t begun, told;

/* a of b bytes have come; b is not positive before the file begins. Not 0: the client breaks off.
 */
static int fetch_progress(struct debuginfod_client *client, long a, long b)
{
    const char message = PROGRESS;
    int64_t t = now();
    (void)client;
    (void)a;
    if (b <= 0) {
        return t - begun >= shared->silence;
    }
    if (t > told) {
        told = t;
        return write(pipe_end, &message, 1) != 1;
    }
    return t - begun >= TRANSFER_MAX;
}

static void __attribute__((noreturn))
fetch_child(enum fetch_kind kind, const char *build_id, int out)
{
    char answer[1 + PATH_MAX] = {ABSENT};
    char *path = NULL;
    size_t len = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    pipe_end = out;
    begun = now();
    void *library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
    struct debuginfod_client *(*begin)(void) = NULL;
    void (*set_progress)(struct debuginfod_client *, progress_fn *) = NULL;
    find_fn *find = NULL;
    if (library) {
        *(void **)&begin = dlsym(library, "debuginfod_begin");
        *(void **)&set_progress = dlsym(library, "debuginfod_set_progressfn");
        *(void **)&find = dlsym(library, kind == FETCH_DEBUG_FILE ? "debuginfod_find_debuginfo"
                                                                  : "debuginfod_find_executable");
    }
    struct debuginfod_client *client = begin && set_progress && find ? begin() : NULL;
    if (!client) {
        _exit(1);
    }
    set_progress(client, fetch_progress);
    int fd = find(client, (const unsigned char *)build_id, 0, &path);
    if (fd >= 0 && path && strlen(path) < PATH_MAX) {
        answer[0] = FOUND;
        len += strlen(path);
        memcpy(answer + 1, path, len - 1);
    } else if (fd != -ENOENT) {
        _exit(1);
    }
    _exit(write(out, answer, len) == (ssize_t)len ? 0 : 1);
}

/* ---- in the parent ---- */

/* The child's last message, and the path behind it; 0: it has ended without one, or is too slow. */
static char fetch_listen(int in, char path[PATH_MAX])
{
    int64_t start = now(), heard = start;
    char bytes[1 + PATH_MAX];
    for (;;) {
        struct pollfd wait = {.fd = in, .events = POLLIN};
        int64_t t = now(), left = heard + shared->silence + GRACE - t;
        if (left <= 0 || t - start > TRANSFER_MAX + GRACE) {
            return 0;
        }
        if (poll(&wait, 1, (int)(left * 1000)) <= 0) {
            continue;
        }
        ssize_t got = read(in, bytes, sizeof bytes);
        if (got <= 0) {
            return 0;
        }
        heard = now();
        const char *at = bytes;
        while (got > 0 && *at == PROGRESS) {
            at++;
            got--;
        }
        if (got > 0) {
            memcpy(path, at + 1, (size_t)got - 1);
            path[got - 1] = '\0';
            return *at;
        }
    }
}

char *fetch_file(enum fetch_kind kind, const char *build_id)
{
    char path[PATH_MAX + 1];
    int ends[2];
    if (!shared || shared->given_up || !*build_id || pipe2(ends, O_CLOEXEC) != 0) {
        return NULL;
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        fetch_child(kind, build_id, ends[1]);
    }
    close(ends[1]);
    char said = child > 0 ? fetch_listen(ends[0], path) : 0;
    close(ends[0]);
    if (child > 0) {
        if (said == 0) {
            kill(child, SIGKILL);
        }
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
            ;
        }
    }
    if (said != FOUND && said != ABSENT) {
        shared->given_up = true;
    }
    return said == FOUND ? strdup(path) : NULL;
}
