/* SPDX-License-Identifier: MIT
 *
 * See glibc_elf.h.
 */
#include "collectors/base/libc/glibc_elf.h"

#include <string.h>

/* glibc relocates these pointers in place, except where the section cannot be written. */
static const void *absolute(const struct link_map *m, uintptr_t p)
{
    return (const void *)(p < m->l_addr ? p + m->l_addr : p); /* NOLINT: an address */
}

bool elf_tables_of(const struct link_map *m, struct elf_tables *out)
{
    *out = (struct elf_tables){0};
    for (const ElfW(Dyn) *d = m->l_ld; d && d->d_tag != DT_NULL; d++) {
        const void *at = absolute(m, d->d_un.d_ptr);
        switch (d->d_tag) {
        case DT_SYMTAB:
            out->symbols = at;
            break;
        case DT_STRTAB:
            out->strings = at;
            break;
        case DT_STRSZ:
            out->strings_bytes = d->d_un.d_val;
            break;
        case DT_GNU_HASH:
            out->hash = at;
            break;
        case DT_VERSYM:
            out->version = at;
            break;
        case DT_VERNEED:
            out->needed = at;
            break;
        case DT_JMPREL:
            out->calls = at;
            break;
        case DT_PLTRELSZ:
            out->calls_bytes = d->d_un.d_val;
            break;
        case DT_RELA:
            out->others = at;
            break;
        case DT_RELASZ:
            out->others_bytes = d->d_un.d_val;
            break;
        default:
            break;
        }
    }
    return out->symbols && out->strings;
}

/* The GNU hash table: {buckets, first symbol, filter words, shift}, filter, buckets, chains; a
 * chain ends at an odd hash. */
const ElfW(Sym) * elf_entry(const struct elf_tables *t, const char *name)
{
    if (!t->hash || t->hash[0] == 0) {
        return NULL;
    }
    uint32_t h = 5381;
    for (const char *c = name; *c; c++) {
        h = h * 33 + (unsigned char)*c;
    }
    const uint32_t *buckets = t->hash + 4 + t->hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chains = buckets + t->hash[0];
    uint32_t i = buckets[h % t->hash[0]];
    if (i < t->hash[1]) {
        return NULL;
    }
    for (;; i++) {
        uint32_t entry = chains[i - t->hash[1]];
        const ElfW(Sym) *symbol = &t->symbols[i];
        if ((entry | 1) == (h | 1) && symbol->st_shndx != SHN_UNDEF &&
            ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
            !(t->version && t->version[i] & ELF_HIDDEN_VERSION) &&
            strcmp(t->strings + symbol->st_name, name) == 0) {
            return symbol;
        }
        if (entry & 1) {
            return NULL;
        }
    }
}

void *elf_symbol(const struct link_map *m, const char *name)
{
    struct elf_tables t;
    const ElfW(Sym) *entry = elf_tables_of(m, &t) ? elf_entry(&t, name) : NULL;
    return entry ? (void *)(m->l_addr + entry->st_value) : NULL; /* NOLINT: an address */
}
