/* SPDX-License-Identifier: MIT
 *
 * A number that changes whenever code may have left the address space: what was learnt of an
 * address under an older number is void. Read at the start of every walk, changed by the hook of
 * dlclose after it has unloaded something. SIGNAL_SAFE.
 */
#ifndef COLLECTORS_RULES_GENERATION_H
#define COLLECTORS_RULES_GENERATION_H

#include "collectors/base/abi.h"

extern HIDDEN uint32_t rules_generation_now; /* private to rules_generation() */
SIGNAL_SAFE static inline uint32_t rules_generation(void)
{
    return LOAD_ACQUIRE(&rules_generation_now);
}

/* Code may have left. */
SIGNAL_SAFE void rules_forget(void);

#endif
