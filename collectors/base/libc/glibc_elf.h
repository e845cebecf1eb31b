/* SPDX-License-Identifier: MIT
 *
 * What a loaded object's dynamic section says: its symbols, and what it imports. For the files
 * glibc_*.c of this folder, which may hold any lock of the program's: nothing here takes one, or
 * allocates. Of an object only the load address and the dynamic section are looked at, so that a
 * record made of those two will do.
 */
#ifndef BASE_LIBC_GLIBC_ELF_H
#define BASE_LIBC_GLIBC_ELF_H

#include "collectors/base/abi.h"

#include <elf.h>
#include <link.h>

/* Pointers are NULL, and sizes 0, where the object has no such table. */
struct elf_tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    size_t strings_bytes;
    const uint32_t *hash;    /* DT_GNU_HASH */
    const uint16_t *version; /* DT_VERSYM; ELF_HIDDEN_VERSION: not a name's default one */
    const ElfW(Verneed) * needed;
    const ElfW(Rela) * calls; /* of the slots through which functions are called */
    size_t calls_bytes;
    const ElfW(Rela) * others;
    size_t others_bytes;
};
enum { ELF_HIDDEN_VERSION = 0x8000 };

/* False: the object has no symbols that could be looked up. */
bool elf_tables_of(const struct link_map *m, struct elf_tables *out);

/* The entry of a function's default definition in the object's symbols, or NULL. */
const ElfW(Sym) * elf_entry(const struct elf_tables *t, const char *name);

/* The address of that definition, or NULL. */
void *elf_symbol(const struct link_map *m, const char *name);

#endif
