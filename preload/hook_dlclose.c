/* SPDX-License-Identifier: MIT
 *
 * dlclose, the one call after which an address can mean other code: what the unwinder knows of
 * addresses is void then. dlopen is not interposed: its caller decides which RUNPATH is searched.
 */
#include "collectors/rules.h"
#include "collectors/stack.h"
#include "preload/hooks.h"
#include "preload/real.h"

#include <dlfcn.h>

EXPORT BELOW_PROGRAM int dlclose(void *handle)
{
    int err = real_other.dlclose(handle);
    rules_forget();
    hook_cxx_forget();
    return err;
}
