/* SPDX-License-Identifier: MIT
 *
 * A library whose constructor opens PLUGIN with RTLD_DEEPBIND. own_symbols.c is linked with it.
 */
#include <dlfcn.h>

void *early_library;

__attribute__((constructor)) static void open_early(void)
{
    early_library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
}
