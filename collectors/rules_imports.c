/* SPDX-License-Identifier: MIT
 *
 * Gives a module that we loaded for ourselves other functions than the dynamic linker did, by
 * writing its global offset table. Constructor only, before anybody calls the module; no lock.
 */
#include "collectors/rules_imports.h"

#include "collectors/base/sys.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* What the linker made read-only after relocation; tables lie there in part or, with DT_BIND_NOW,
 * as a whole. False if there is no such segment. */
static bool sealed_range(const struct link_map *module, uintptr_t *lo, uintptr_t *hi)
{
    const ElfW(Ehdr) *ehdr = (const ElfW(Ehdr) *)module->l_addr; /* NOLINT: where it is mapped */
    const ElfW(Phdr) *ph = (const ElfW(Phdr) *)((const char *)ehdr + ehdr->e_phoff);
    for (int i = 0; i < ehdr->e_phnum; i++) {
        if (ph[i].p_type == PT_GNU_RELRO) {
            *lo = (module->l_addr + ph[i].p_vaddr) & ~(PAGE_BYTES - 1);
            *hi = (module->l_addr + ph[i].p_vaddr + ph[i].p_memsz) & ~(PAGE_BYTES - 1);
            return *hi > *lo;
        }
    }
    return false;
}

static uintptr_t redirection(const char *name, const struct import *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return list[i].to;
        }
    }
    return 0;
}

int imports_redirect(const struct link_map *module, const struct import *list, size_t n)
{
    uintptr_t table[2] = {0, 0};
    size_t bytes[2] = {0, 0};
    const ElfW(Sym) *symtab = NULL;
    const char *strtab = NULL;
    /* glibc has relocated these pointers in place (the dynamic section is writable on x86-64). */
    for (const ElfW(Dyn) *d = module->l_ld; d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) {
        case DT_RELA:
            table[0] = d->d_un.d_ptr;
            break;
        case DT_RELASZ:
            bytes[0] = d->d_un.d_val;
            break;
        case DT_JMPREL:
            table[1] = d->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            bytes[1] = d->d_un.d_val;
            break;
        case DT_SYMTAB:
            symtab = (const ElfW(Sym) *)d->d_un.d_ptr; /* NOLINT */
            break;
        case DT_STRTAB:
            strtab = (const char *)d->d_un.d_ptr; /* NOLINT */
            break;
        default:
            break;
        }
    }
    if (!symtab || !strtab) {
        return -ENOEXEC;
    }
    uintptr_t lo = 0;
    uintptr_t hi = 0;
    bool sealed = sealed_range(module, &lo, &hi);
    if (sealed && sys_call3(SYS_mprotect, lo, hi - lo, PROT_READ | PROT_WRITE) != 0) {
        return -EACCES;
    }
    for (int t = 0; t < 2; t++) {
        const ElfW(Rela) *rela = (const ElfW(Rela) *)table[t]; /* NOLINT */
        for (size_t i = 0; i < bytes[t] / sizeof *rela; i++) {
            unsigned type = ELF64_R_TYPE(rela[i].r_info);
            if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) {
                continue;
            }
            const ElfW(Sym) *sym = &symtab[ELF64_R_SYM(rela[i].r_info)];
            uintptr_t to = redirection(strtab + sym->st_name, list, n);
            if (to) {
                *(uintptr_t *)(module->l_addr + rela[i].r_offset) = to; /* NOLINT */
            }
        }
    }
    if (sealed) {
        sys_call3(SYS_mprotect, lo, hi - lo, PROT_READ);
    }
    return 0;
}
