/* SPDX-License-Identifier: MIT
 * A program that loads and unloads plugins: each argument is "PATH:FUNCTION:TIMES[:stay]". TIMES
 * times it loads PATH, calls FUNCTION once (plugins allocate and keep 1,000 bytes a call), and
 * unloads PATH unless it is to stay. It prints where the function was, and at the end the time that
 * all of it took. An argument "cd:FOLDER" changes the folder, "write:FILE" writes the heap profile
 * there by the C API. Run by e2e/unloaded_modules.py.
 */
#include "preload/pprofinject.h"
#include "truth.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

SITE void use(const char *path, const char *name, int times, int stay)
{
    void *at = NULL;
    for (int i = 0; i < times; i++) {
        void *handle = dlopen(path, RTLD_NOW);
        void (*f)(void) = handle ? (void (*)(void))dlsym(handle, name) : NULL;
        if (!f) {
            fprintf(stderr, "%s\n", dlerror());
            exit(1);
        }
        f();
        at = (void *)f;
        if (!stay && dlclose(handle) != 0)
            exit(2);
    }
    printf("%s %p\n", name, at);
}

int main(int argc, char **argv)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 1; i < argc; i++) {
        char *path = strtok(argv[i], ":"), *name = strtok(NULL, ":");
        char *times = strtok(NULL, ":"), *stay = strtok(NULL, ":");
        if (strcmp(path, "cd") == 0) {
            if (chdir(name) != 0)
                return 3;
            continue;
        }
        if (strcmp(path, "write") == 0) {
            int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
            if (pprof_write_heap_profile(fd) != 0 || close(fd) != 0)
                return 4;
            continue;
        }
        use(path, name, atoi(times), stay != NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("seconds %.6f\n",
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return 0;
}
