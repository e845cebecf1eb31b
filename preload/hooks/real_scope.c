/* SPDX-License-Identifier: MIT
 *
 * A look-up without the dynamic linker: dlsym takes its lock, and whoever asks for an operator new
 * for the first time may be a thread that another thread, inside dlopen, is waiting for; and dlsym
 * forgets what the program's next dlerror() is to tell. Called by hook_cxx.c, hook_mallocx.c and
 * real_lock.c at first uses, in any thread, under any lock of the program's.
 *
 * The list of loaded objects is read as it is: dlopen appends to it, and an object that is being
 * closed is not calling us.
 */
#include "preload/hooks/real.h"

#include <dlfcn.h>
#include <elf.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <string.h>

/* glibc 2.35; without it nothing is found. */
extern __typeof(_dl_find_object) _dl_find_object __attribute__((weak));

struct symbols {
    const ElfW(Sym) * table;
    const char *strings;
    const uint32_t *hash;    /* DT_GNU_HASH */
    const uint16_t *version; /* DT_VERSYM, or NULL; HIDDEN_VERSION: not a name's default one */
};
enum { HIDDEN_VERSION = 0x8000 };

/* glibc relocates these pointers in place, except where the section cannot be written. */
static uintptr_t absolute(const struct link_map *m, uintptr_t p)
{
    return p < m->l_addr ? p + m->l_addr : p;
}

static bool symbols_of(const struct link_map *m, struct symbols *out)
{
    *out = (struct symbols){NULL, NULL, NULL, NULL};
    for (const ElfW(Dyn) *d = m->l_ld; d && d->d_tag != DT_NULL; d++) {
        const void *at = (const void *)absolute(m, d->d_un.d_ptr); /* NOLINT: an address */
        switch (d->d_tag) {
        case DT_SYMTAB:
            out->table = at;
            break;
        case DT_STRTAB:
            out->strings = at;
            break;
        case DT_GNU_HASH:
            out->hash = at;
            break;
        case DT_VERSYM:
            out->version = at;
            break;
        default:
            break;
        }
    }
    return out->table && out->strings && out->hash;
}

/* The GNU hash table: {buckets, first symbol, filter words, shift}, filter, buckets, chains; a
 * chain ends at an odd hash. */
static void *symbol_in(const struct link_map *m, const char *name)
{
    struct symbols s;
    if (!symbols_of(m, &s) || s.hash[0] == 0) {
        return NULL;
    }
    uint32_t h = 5381;
    for (const char *c = name; *c; c++) {
        h = h * 33 + (unsigned char)*c;
    }
    const uint32_t *buckets = s.hash + 4 + s.hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chains = buckets + s.hash[0];
    uint32_t i = buckets[h % s.hash[0]];
    if (i < s.hash[1]) {
        return NULL;
    }
    for (;; i++) {
        uint32_t entry = chains[i - s.hash[1]];
        const ElfW(Sym) *symbol = &s.table[i];
        if ((entry | 1) == (h | 1) && symbol->st_shndx != SHN_UNDEF &&
            ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
            !(s.version && s.version[i] & HIDDEN_VERSION) &&
            strcmp(s.strings + symbol->st_name, name) == 0) {
            return (void *)(m->l_addr + symbol->st_value); /* NOLINT: an address */
        }
        if (entry & 1) {
            return NULL;
        }
    }
}

void *real_find_after_us(const char *name)
{
    struct dl_find_object ours;
    void *p = NULL;
    if (!_dl_find_object || _dl_find_object((void *)&real_find_after_us, &ours) != 0) {
        return NULL;
    }
    for (struct link_map *m = ours.dlfo_link_map->l_next; m && !p; m = m->l_next) {
        p = symbol_in(m, name);
    }
    return p;
}

void *real_find_from(const void *caller, const char *name)
{
    struct dl_find_object theirs;
    struct dl_find_object ours;
    if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)caller, &theirs) != 0 ||
        _dl_find_object((void *)&real_find_from, &ours) != 0) {
        return NULL;
    }
    struct link_map *from = theirs.dlfo_link_map;
    struct link_map *m = from;
    bool around = false;
    do {
        void *p = m == ours.dlfo_link_map ? NULL : symbol_in(m, name);
        if (p) {
            return p;
        }
        m = m->l_next; /* what an object needs was loaded after it, as a rule */
        if (!m && !around) {
            around = true;
            for (m = from; m->l_prev; m = m->l_prev) {
            }
        }
    } while (m && !(around && m == from));
    return NULL;
}

bool real_allocator_extent(uintptr_t *lo, uintptr_t *hi)
{
    struct dl_find_object of_malloc;
    struct dl_find_object of_libc;
    if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)real_alloc.malloc, &of_malloc) ||
        _dl_find_object((void *)&gnu_get_libc_version, &of_libc) ||
        of_malloc.dlfo_link_map == of_libc.dlfo_link_map) {
        return false;
    }
    *lo = (uintptr_t)of_malloc.dlfo_map_start;
    *hi = (uintptr_t)of_malloc.dlfo_map_end;
    return true;
}
