/* SPDX-License-Identifier: MIT
 *
 * Code that is made at run time, as a JIT makes it: a copy of a function, listed in
 * /tmp/perf-PID.map under the name that is the argument. It burns 0.2 s and prints that file's
 * path, which it leaves behind.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CODE_BYTES = 256 };

/* Has no reference to anything outside itself, so that it can be copied. */
static __attribute__((noinline, noclone)) void spin(volatile unsigned long *counter)
{
    for (int i = 0; i < 1000000; i++) {
        (*counter)++;
    }
}

int main(int argc, char **argv)
{
    char name[64];
    unsigned long counter = 0;
    char *code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argc < 2 || code == MAP_FAILED) {
        return 1;
    }
    memcpy(code, (const void *)spin, CODE_BYTES);
    __builtin___clear_cache(code, code + CODE_BYTES);
    snprintf(name, sizeof name, "/tmp/perf-%d.map", (int)getpid());
    FILE *map = fopen(name, "w");
    if (!map) {
        return 1;
    }
    fprintf(map, "%lx %x %s\n", (unsigned long)code, CODE_BYTES, argv[1]);
    fclose(map);
    struct timespec used;
    do {
        ((void (*)(volatile unsigned long *))code)(&counter);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    } while (used.tv_sec == 0 && used.tv_nsec < 200000000);
    puts(name);
    return 0;
}
