/* SPDX-License-Identifier: MIT
 *
 * Functions that allocate at several places each, in a program and in its plugin (the same source,
 * with PLUGIN), for names_nameless.py, which strips both. The program loads the plugin that is its
 * argument, calls it, and unloads it.
 */
#include <dlfcn.h>
#include <stdlib.h>

static void *volatile kept;

/* Two places that call the allocator: two addresses of one function. */
#define SITE(name, first, second)                                                                  \
    static __attribute__((noinline, noclone)) void name(void)                                      \
    {                                                                                              \
        for (int i = 0; i < (first); i++) {                                                        \
            kept = malloc(24);                                                                     \
        }                                                                                          \
        for (int i = 0; i < (second); i++) {                                                       \
            kept = calloc(1, 40);                                                                  \
        }                                                                                          \
    }

#ifdef PLUGIN

SITE(site_plugin_a, 10, 20)
SITE(site_plugin_b, 15, 5)

void plugin_run(void);
void plugin_run(void)
{
    site_plugin_a();
    site_plugin_b();
}

#else

SITE(site_host_a, 100, 200)
SITE(site_host_b, 150, 50)

int main(int argc, char **argv)
{
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void (*run)(void) = plugin ? (void (*)(void))dlsym(plugin, "plugin_run") : NULL;
    site_host_a();
    site_host_b();
    if (run) {
        run();
        dlclose(plugin);
    }
    return run || argc == 1 ? 0 : 1;
}

#endif
