/* SPDX-License-Identifier: MIT
 *
 * A program that does next to nothing itself: its library, constructors.c, works before main() and
 * after it. What runs even before constructors, the preinit array, allocates too.
 */
#include "constructed.h"

#include "../programs/truth.h"

SITE void site_preinit(void)
{
    for (int i = 0; i < 10; i++)
        keep(malloc(7000));
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = site_preinit;

SITE void site_own_constructor(void)
{
    for (int i = 0; i < 30; i++)
        keep(malloc(900));
}

__attribute__((constructor)) static void own_constructor(void)
{
    site_own_constructor();
}

SITE void site_main(void)
{
    for (int i = 0; i < 20; i++)
        keep(malloc(5000));
}

int main(int argc, char **argv)
{
    site_main();
    if (argc > 1 && strcmp(argv[1], "clear") == 0) {
        setenv("LEFT", "1", 1);
        must(system("echo $LEFT $PPROF_PARENT") == 0, "system");
    }
    constructed_record("site_preinit", 7000, 10, 10);
    constructed_record("site_own_constructor", 900, 30, 30);
    constructed_record("site_main", 5000, 20, 20);
    return 0;
}
