/* SPDX-License-Identifier: MIT
 *
 * dlclose, the one call after which an address can mean other code: what the unwinder knows of
 * addresses is void then, and what the kept stacks mean by them is remembered. dlopen is not
 * interposed: its caller decides which RUNPATH is searched.
 *
 * The dynamic linker's lock, under which it tells its modules, is one that dlclose itself takes.
 */
#include "collectors/stacks/rules.h"
#include "collectors/stacks/stack.h"
#include "collectors/stacks/unloaded.h"
#include "preload/hooks/hooks.h"
#include "preload/hooks/real.h"

#include <dlfcn.h>

EXPORT BELOW_PROGRAM int dlclose(void *handle)
{
    struct unloaded_look *look = unloaded_look_begin();
    if (look) {
        real_other.dl_iterate_phdr(unloaded_before, look);
    }
    int err = real_other.dlclose(handle);
    if (look) {
        real_other.dl_iterate_phdr(unloaded_after, look);
        unloaded_look_end(look);
    }
    rules_forget();
    hook_cxx_forget();
    return err;
}
