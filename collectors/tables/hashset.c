/* SPDX-License-Identifier: MIT
 *
 * How the set of hashset.h grows. SIGNAL_SAFE: memory comes from the kernel.
 */
#include "collectors/tables/hashset.h"

#include "collectors/base/sys.h"

enum {
    FIRST_SLOTS = 1 << 12,
    GROWTH = 4, /* so that there are few levels; a level's memory is only used where nodes are */
};

bool hashset_grow(struct hashset *set, struct hashset_level *full)
{
    uint64_t slots = full ? (full->mask + 1) * GROWTH : FIRST_SLOTS;
    size_t bytes = sizeof(struct hashset_level) + slots * sizeof(uint64_t);
    struct hashset_level *fresh = sys_map(bytes);
    if (!fresh) {
        return false;
    }
    fresh->older = full;
    fresh->mask = slots - 1;
    if (!CAS(&set->newest, &full, fresh)) {
        sys_unmap(fresh, bytes);
    }
    return true;
}
