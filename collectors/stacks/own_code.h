/* SPDX-License-Identifier: MIT
 *
 * Which code is this library's own: its frames are left out of stacks (stack.c), and what it calls
 * is known where a frame is looked for (unwind_search.c). The bounds are symbols that the linker
 * defines.
 */
#ifndef COLLECTORS_OWN_CODE_H
#define COLLECTORS_OWN_CODE_H

#include "collectors/base/abi.h"

/* This library's code is in [own_begin, own_end); below_* are the bounds of BELOW_PROGRAM's section
 * (stack.h), which a unit test may not have. */
extern const char own_begin[] LINKED_AS("__ehdr_start") HIDDEN;
extern const char own_end[] LINKED_AS("etext") HIDDEN;
extern const char below_begin[] LINKED_AS("__start_pprof_below")
    __attribute__((weak, visibility("hidden")));
extern const char below_end[] LINKED_AS("__stop_pprof_below")
    __attribute__((weak, visibility("hidden")));

static inline bool code_is_below(uintptr_t pc)
{
    return pc - (uintptr_t)below_begin < (uintptr_t)below_end - (uintptr_t)below_begin;
}

static inline bool code_is_own(uintptr_t pc)
{
    return pc - (uintptr_t)own_begin < (uintptr_t)own_end - (uintptr_t)own_begin;
}

#endif
