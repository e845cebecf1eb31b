/* SPDX-License-Identifier: MIT
 *
 * dlclose is the one call after which an address can mean other code. So the unwinder's rules,
 * which are kept by address, are forgotten, and unloaded.c notes which modules have left, so that
 * stacks taken before still name them.
 *
 * Any thread. dl_iterate_phdr() takes the dynamic linker's lock, which dlclose itself takes too, so
 * a thread that may call dlclose may wait for that lock.
 */
#include "collectors/stacks/rules_generation.h"
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
