/* SPDX-License-Identifier: MIT
 *
 * The library reserves address space. A program that limits its own, or locks its memory, must not
 * run out of what it counted on: the reservation goes first.
 *
 * limited_memory WAY: setrlimit, prlimit, child, lock, none
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, LIMIT = 50, WANTED = 30, LOCKED_MAX = 24 };

static long status_kib(const char *key)
{
    char line[200];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            sscanf(line + strlen(key), ": %ld", &kib);
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

static int allocate(void)
{
    char *p = malloc((size_t)WANTED * MIB);
    if (p) {
        memset(p, 1, (size_t)WANTED * MIB);
    }
    printf("%d MiB: %s\n", WANTED, p ? "had" : "refused");
    free(p);
    fflush(stdout);
    return !p;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "none";
    struct rlimit limit = {(rlim_t)LIMIT * MIB, (rlim_t)LIMIT * MIB};
    int status = 0;
    if (strcmp(way, "setrlimit") == 0) {
        setrlimit(RLIMIT_AS, &limit);
    } else if (strcmp(way, "prlimit") == 0) {
        prlimit(0, RLIMIT_AS, &limit, NULL);
    } else if (strcmp(way, "child") == 0) {
        if (fork() == 0) {
            setrlimit(RLIMIT_AS, &limit);
            _exit(allocate());
        }
        wait(&status);
        return status != 0;
    } else if (strcmp(way, "lock") == 0) {
        int refused = mlockall(MCL_CURRENT | MCL_FUTURE);
        long kib = status_kib("VmLck");
        printf("%s, %s\n", refused ? "refused" : "locked",
               kib < LOCKED_MAX * 1024 ? "little" : "too much");
        munlockall();
    }
    return allocate();
}
