/* SPDX-License-Identifier: MIT
 *
 * The growing half of hashset.h. SIGNAL_SAFE: memory comes from the kernel.
 */
#include "collectors/tables/hashset.h"

#include "collectors/base/sys.h"

enum {
    FIRST_SLOTS = 1 << 12,
    GROWTH = 4, /* few levels to look through, against memory that is only reserved */
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
