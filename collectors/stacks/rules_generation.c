/* SPDX-License-Identifier: MIT
 *
 * See rules_generation.h.
 */
#include "collectors/stacks/rules_generation.h"

READ_OFTEN uint32_t rules_generation_now = 1;

void rules_forget(void)
{
    __atomic_fetch_add(&rules_generation_now, 1, __ATOMIC_RELEASE);
}
