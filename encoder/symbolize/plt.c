/* SPDX-License-Identifier: MIT
 *
 * See plt.h. A stub jumps through a slot of the GOT, and a relocation says which symbol's address
 * goes into that slot. machine.c reads the instruction.
 */
#include "encoder/symbolize/plt.h"

#include "encoder/symbolize/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The GOT slot that the stub starting at `start` jumps through; 0 = not a stub. */
static uint64_t plt_slot(Elf *elf, const struct image *image, const struct machine *machine,
                         uint64_t start)
{
    size_t len = 0;
    const uint8_t *code = image_bytes(image, elf, start, &len);
    return code ? machine->stub_slot(code, len < MACHINE_STUB_MAX ? len : MACHINE_STUB_MAX, start)
                : 0;
}

/* The same for the stub around an address: a large one, or the second of two small ones. */
static uint64_t plt_slot_around(Elf *elf, const struct image *image, const struct machine *machine,
                                uint64_t vaddr)
{
    uint64_t large = vaddr & ~(uint64_t)(machine->stub_size[0] - 1);
    uint64_t small = vaddr & ~(uint64_t)(machine->stub_size[1] - 1);
    uint64_t second = small != large ? plt_slot(elf, image, machine, small) : 0;
    return second ? second : plt_slot(elf, image, machine, large);
}

static bool plt_is_plt(Elf *elf, uint64_t vaddr)
{
    size_t names;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return false;
    }
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || vaddr < header.sh_addr ||
            vaddr - header.sh_addr >= header.sh_size || !(header.sh_flags & SHF_EXECINSTR)) {
            continue;
        }
        const char *name = elf_strptr(elf, names, header.sh_name);
        return name && (strncmp(name, ".plt", 4) == 0 || strcmp(name, ".iplt") == 0);
    }
    return false;
}

static char *plt_label(const char *name)
{
    char *label = NULL;
    return name && *name && asprintf(&label, "%s@plt", name) >= 0 ? label : NULL;
}

/* The name of the symbol that one relocation section puts into the slot; NULL: it does not. */
static char *plt_relocation(Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
                            const struct machine *machine, const struct symbols *symbols,
                            uint64_t slot)
{
    Elf_Data *data = elf_getdata(section, NULL), *syms = NULL;
    size_t n = data && header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
    GElf_Shdr symtab;
    for (size_t i = 0; i < n && i < INT32_MAX; i++) {
        GElf_Rela rela;
        GElf_Sym sym;
        if (!gelf_getrela(data, (int)i, &rela)) {
            return NULL;
        }
        if (rela.r_offset != slot) {
            continue;
        }
        if (GELF_R_TYPE(rela.r_info) == machine->irelative) {
            const struct symbol *target = symbols_find(symbols, (uint64_t)rela.r_addend);
            return target ? plt_label(target->name) : NULL;
        }
        Elf_Scn *table = elf_getscn(elf, header->sh_link);
        if (!table || !gelf_getshdr(table, &symtab) || !(syms = elf_getdata(table, NULL)) ||
            !gelf_getsym(syms, (int)GELF_R_SYM(rela.r_info), &sym)) {
            return NULL;
        }
        return plt_label(elf_strptr(elf, symtab.sh_link, sym.st_name));
    }
    return NULL;
}

char *plt_name(Elf *elf, const struct image *image, const struct symbols *symbols, uint64_t vaddr)
{
    GElf_Ehdr ehdr;
    const struct machine *machine = gelf_getehdr(elf, &ehdr) ? machine_of(ehdr.e_machine) : NULL;
    if (!machine || !plt_is_plt(elf, vaddr)) {
        return NULL;
    }
    uint64_t slot = plt_slot_around(elf, image, machine, vaddr);
    if (slot == 0) {
        return NULL;
    }
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
            !(header.sh_flags & SHF_ALLOC)) {
            continue;
        }
        char *name = plt_relocation(elf, section, &header, machine, symbols, slot);
        if (name) {
            return name;
        }
    }
    return NULL;
}
