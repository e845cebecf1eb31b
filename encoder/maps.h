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

/* Mappings are in the order of /proc/self/maps, so by address, except that the main program's first
 * one is moved to the front. */
struct maps {
    uint32_t count;
    uint32_t present;       /* the first so many were mapped when the file was read */
    struct buffer mappings; /* struct mapping[count] */
    uint32_t past_count;
    struct buffer past; /* maps_find.c's: code that was unloaded, in the order of unloading */
    struct buffer text; /* names and build ids, each ended by NUL; the first one is "" */
    size_t text_used;
};

/* main_phdr: AT_PHDR, an address inside the main program, whose mapping becomes number 1.
 * NULL when there is no memory. */
struct maps *maps_read(uintptr_t main_phdr);
/* What is mapped now, for maps_read() to read where procfs is not there any more: the process is
 * about to change its root. False: it cannot be read. One thread at a time. */
bool maps_keep(void);
/* Adds n code segments that were unloaded before the dump. False: no memory; then only maps_free
 * may be called. */
MUST_CHECK bool maps_add_past(struct maps *maps, const struct past_code *code, size_t n);
void maps_free(struct maps *maps);

/* Look-ups. maps may be NULL except in maps_mapping and maps_text: no mapping is known then. Ids
 * are 1 to maps_count; `at` is a field `file` or `build_id` of a mapping. */
uint32_t maps_count(const struct maps *maps);
const struct mapping *maps_mapping(const struct maps *maps, uint32_t id);
const char *maps_text(const struct maps *maps, size_t at);
/* The id of the mapping that holds a pc as stacks store it, which may name a module that has been
 * unloaded (unloaded.h); 0: there is none. */
uint32_t maps_find_pc(const struct maps *maps, uintptr_t pc);
/* The id of the present mapping that holds an address; 0: there is none. */
uint32_t maps_find(const struct maps *maps, uintptr_t address);

#endif
