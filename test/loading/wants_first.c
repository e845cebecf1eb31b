/* SPDX-License-Identifier: MIT
 *
 * Linked with -z initfirst, as the library is: the dynamic linker makes the one that was loaded
 * last the first.
 */
#include <stdlib.h>

__attribute__((constructor)) static void first(void)
{
    free(malloc(100));
}
