/* plt.c: reads PLT stubs; see plt.h.
 *
 * A stub ends in `jmp *disp(%rip)` through a slot of the GOT, and a relocation says what goes into
 * that slot. Reading the instruction treats .plt, .plt.sec and .plt.got alike, whatever the linker
 * and its options. Stubs are 8 or 16 bytes, aligned to their size.
 *
 * SPDX-License-Identifier: MIT
 */
#include "plt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's bytes at an address of an executable segment. */
static size_t plt_bytes(Elf *elf, const struct image *image, uint64_t vaddr, uint8_t *buf,
                        size_t len)
{
    size_t size;
    const char *raw = elf_rawfile(elf, &size);

    for (size_t i = 0; raw && i < image->nloads; i++) {
        const GElf_Phdr *load = &image->loads[i];
        if (!(load->p_flags & PF_X) || vaddr < load->p_vaddr ||
            vaddr - load->p_vaddr >= load->p_filesz)
            continue;
        uint64_t offset = vaddr - load->p_vaddr + load->p_offset;
        if (offset >= size)
            return 0;
        if (len > size - offset)
            len = size - offset;
        memcpy(buf, raw + offset, len);
        return len;
    }
    return 0;
}

/* The GOT slot that the stub starting at `start` jumps through; 0 = not a stub. */
static uint64_t plt_slot(Elf *elf, const struct image *image, uint64_t start)
{
    uint8_t code[16];
    size_t len = plt_bytes(elf, image, start, code, sizeof code), at = 0;
    int32_t disp;

    if (len >= 4 && memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0) /* endbr64 */
        at = 4;
    if (at < len && code[at] == 0xf2) /* bnd */
        at++;
    if (at + 6 > len || code[at] != 0xff || code[at + 1] != 0x25)
        return 0;
    memcpy(&disp, code + at + 2, sizeof disp);
    return start + at + 6 + (uint64_t)(int64_t)disp;
}

static bool plt_is_plt(Elf *elf, uint64_t vaddr)
{
    size_t names;
    Elf_Scn *scn = NULL;

    if (elf_getshdrstrndx(elf, &names) != 0)
        return false;
    while ((scn = elf_nextscn(elf, scn))) {
        GElf_Shdr shdr;
        if (!gelf_getshdr(scn, &shdr) || vaddr < shdr.sh_addr ||
            vaddr - shdr.sh_addr >= shdr.sh_size || !(shdr.sh_flags & SHF_EXECINSTR))
            continue;
        const char *name = elf_strptr(elf, names, shdr.sh_name);
        return name && (strncmp(name, ".plt", 4) == 0 || strcmp(name, ".iplt") == 0);
    }
    return false;
}

static char *plt_label(const char *name)
{
    char *label = NULL;

    return name && *name && asprintf(&label, "%s@plt", name) >= 0 ? label : NULL;
}

/* Who is in the slot, by one relocation section. */
static char *plt_relocation(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr,
                            const struct symbols *symbols, uint64_t slot)
{
    Elf_Data *data = elf_getdata(scn, NULL), *syms = NULL;
    size_t n = data && shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0;
    GElf_Shdr symtab;

    for (size_t i = 0; i < n && i < INT32_MAX; i++) {
        GElf_Rela rela;
        GElf_Sym sym;
        if (!gelf_getrela(data, (int)i, &rela))
            return NULL;
        if (rela.r_offset != slot)
            continue;
        if (GELF_R_TYPE(rela.r_info) == R_X86_64_IRELATIVE) {
            const struct symbol *target = symbols_find(symbols, (uint64_t)rela.r_addend);
            return target ? plt_label(target->name) : NULL;
        }
        Elf_Scn *table = elf_getscn(elf, shdr->sh_link);
        if (!table || !gelf_getshdr(table, &symtab) || !(syms = elf_getdata(table, NULL)) ||
            !gelf_getsym(syms, (int)GELF_R_SYM(rela.r_info), &sym))
            return NULL;
        return plt_label(elf_strptr(elf, symtab.sh_link, sym.st_name));
    }
    return NULL;
}

char *plt_name(Elf *elf, const struct image *image, const struct symbols *symbols, uint64_t vaddr)
{
    GElf_Ehdr ehdr;
    Elf_Scn *scn = NULL;
    uint64_t slot;

    if (!gelf_getehdr(elf, &ehdr) || ehdr.e_machine != EM_X86_64 || !plt_is_plt(elf, vaddr))
        return NULL;
    slot = plt_slot(elf, image, vaddr & ~UINT64_C(15));
    if (vaddr & 8) { /* the second of two short ones, perhaps */
        uint64_t second = plt_slot(elf, image, vaddr & ~UINT64_C(7));
        slot = second ? second : slot;
    }
    if (slot == 0)
        return NULL;
    while ((scn = elf_nextscn(elf, scn))) {
        GElf_Shdr shdr;
        if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_RELA || !(shdr.sh_flags & SHF_ALLOC))
            continue;
        char *name = plt_relocation(elf, scn, &shdr, symbols, slot);
        if (name)
            return name;
    }
    return NULL;
}
