/* SPDX-License-Identifier: MIT
 *
 * What code the process has mapped, out of /proc/self/maps: every executable mapping of a file and
 * the vDSO, the main program's first, with build ids; and what it had mapped before. Read once a
 * dump, for all its profiles, in the scribe, a signal handler or the program's own thread; never
 * changed afterwards.
 */
#ifndef ENCODER_MAPS_H
#define ENCODER_MAPS_H

#include "collectors/snapshot.h"
#include "encoder/buffer.h"

struct mapping {
    uintptr_t start, limit; /* limit is the first address behind it */
    uint64_t offset;
    uint64_t device, inode; /* of the file: the same file is the same pair */
    size_t file, build_id;  /* for maps_text */
};

/* In the order of the file, by address, but for the main program's first mapping, which is moved to
 * the front. */
struct maps {
    uint32_t count;
    uint32_t present;       /* of them, the first ones, were mapped when the file was read */
    struct buffer mappings; /* struct mapping[count] */
    uint32_t past_count;
    struct buffer past; /* of maps_find.c, in the order in which they were unloaded */
    struct buffer text; /* names and build ids one after the other; the first one is "" */
    size_t text_used;
};

/* main_phdr: AT_PHDR, an address inside the main program, whose mapping becomes number 1.
 * NULL when there is no memory. */
struct maps *maps_read(uintptr_t main_phdr);
/* Adds what had been unloaded before the dump. False: no memory; then maps is good for maps_free
 * alone. */
MUST_CHECK bool maps_add_past(struct maps *maps, const struct past_code *code, size_t n);
void maps_free(struct maps *maps);

/* maps may be NULL in all of these: nothing is known to be mapped. Ids are 1 to maps_count. */
uint32_t maps_count(const struct maps *maps);
const struct mapping *maps_mapping(const struct maps *maps, uint32_t id);
const char *maps_text(const struct maps *maps, size_t at);
/* The id of the mapping that a stored pc lies in; 0 for none. See unloaded.h. */
uint32_t maps_find_pc(const struct maps *maps, uintptr_t pc);
/* The id of the present mapping that holds an address, 0 for none. */
uint32_t maps_find(const struct maps *maps, uintptr_t address);

#endif
