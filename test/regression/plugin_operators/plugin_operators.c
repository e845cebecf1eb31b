/* SPDX-License-Identifier: MIT
 *
 * A C program loads a plugin that brings a C++ runtime of its own, and unloads both. The library's
 * operator new kept the address of that runtime's operator, and the next plugin's first new jumped
 * to that address although the runtime was gone. Right: a runtime whose operators are used stays
 * loaded.
 *
 * Loads and unloads it three times; mappings in between take the place that became free.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>

static void *load(const char *path, void **plugin)
{
    *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return *plugin ? dlsym(*plugin, "plugin_work") : NULL;
}

int main(int argc, char **argv)
{
    int sum = 0;
    for (int i = 0; argc == 2 && i < 3; i++) {
        void *plugin;
        int (*work)(void) = load(argv[1], &plugin);
        if (!work) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        sum += work();
        dlclose(plugin);
        for (int pages = 1; pages <= 200; pages++)
            mmap(NULL, 4096 * (size_t)(1 + pages % 6), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                 0);
    }
    printf("%d objects\n", sum);
    return 0;
}
