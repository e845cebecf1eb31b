/* SPDX-License-Identifier: MIT
 *
 * Build id and address translation of an ELF file; see image.h.
 */
#include "encoder/symbolize/image.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file offset where a segment's mapping begins: the loader rounds down to a page. */
static uint64_t image_page(uint64_t offset)
{
    return offset & ~(uint64_t)(sysconf(_SC_PAGESIZE) - 1);
}

int image_read(struct image *image, Elf *elf)
{
    GElf_Ehdr ehdr;
    size_t n;
    memset(image, 0, sizeof *image);
    if (!gelf_getehdr(elf, &ehdr) || elf_getphdrnum(elf, &n) != 0) {
        return -ENOEXEC;
    }
    image->fixed = ehdr.e_type == ET_EXEC;
    image->loads = calloc(n + 1, sizeof *image->loads);
    if (!image->loads) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n && i < INT_MAX; i++) {
        GElf_Phdr phdr;
        if (!gelf_getphdr(elf, (int)i, &phdr)) {
            break;
        }
        if (phdr.p_type == PT_LOAD) {
            image->loads[image->nloads++] = phdr;
        } else if (phdr.p_type == PT_GNU_EH_FRAME) {
            image->frame_header = phdr.p_vaddr;
        }
    }
    return 0;
}

void image_free(struct image *image)
{
    free(image->loads);
    memset(image, 0, sizeof *image);
}

static bool load_holds(const GElf_Phdr *load, uint64_t offset)
{
    return offset >= load->p_offset && offset - load->p_offset < load->p_filesz;
}

/* A mapping usually is one segment or a part of it. Then the file offset of the address tells the
 * PT_LOAD header it belongs to, also where the linker shifts each segment by an amount of its own
 * (lld). Some profilers write one mapping from a library's first byte to its last. Then the
 * mapping's own offset tells the header, whose bias holds for the whole mapping. */
bool image_vaddr(const struct image *image, const struct mapping *mapping, uint64_t address,
                 uint64_t *vaddr)
{
    uint64_t offset = address - mapping->start + mapping->offset;
    if (mapping->limit == 0 && mapping->start == 0) {
        *vaddr = address;
        return image->fixed;
    }
    if (address < mapping->start || address >= mapping->limit) {
        return false;
    }
    for (size_t i = 0; i < image->nloads; i++) {
        const GElf_Phdr *load = &image->loads[i];
        if ((load->p_flags & PF_X) && load_holds(load, offset) &&
            image_page(load->p_offset) <= mapping->offset) {
            *vaddr = load->p_vaddr + (offset - load->p_offset);
            return true;
        }
    }
    for (size_t i = 0; i < image->nloads; i++) {
        const GElf_Phdr *load = &image->loads[i];
        uint64_t first = image_page(load->p_offset);
        if (mapping->offset >= first && mapping->offset < load->p_offset + load->p_filesz) {
            *vaddr = address - mapping->start + (mapping->offset - load->p_offset) + load->p_vaddr;
            return true;
        }
    }
    return false;
}

const uint8_t *image_bytes(const struct image *image, Elf *elf, uint64_t vaddr, size_t *len)
{
    size_t size;
    const char *raw = elf_rawfile(elf, &size);
    for (size_t i = 0; raw && i < image->nloads; i++) {
        const GElf_Phdr *load = &image->loads[i];
        uint64_t into = vaddr - load->p_vaddr;
        if (vaddr < load->p_vaddr || into >= load->p_filesz) {
            continue;
        }
        if (load->p_offset >= size || into >= size - load->p_offset) {
            return NULL;
        }
        uint64_t left = size - load->p_offset - into;
        *len = load->p_filesz - into < left ? load->p_filesz - into : left;
        return (const uint8_t *)raw + load->p_offset + into;
    }
    return NULL;
}

uint64_t image_code_start(const struct image *image, Elf *elf, uint64_t vaddr)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_EXECINSTR) &&
            vaddr >= header.sh_addr && vaddr - header.sh_addr < header.sh_size) {
            return header.sh_addr;
        }
    }
    for (size_t i = 0; i < image->nloads; i++) {
        const GElf_Phdr *load = &image->loads[i];
        if (vaddr >= load->p_vaddr && vaddr - load->p_vaddr < load->p_memsz) {
            return load->p_vaddr;
        }
    }
    return vaddr;
}

bool image_executable(const struct image *image, uint64_t vaddr)
{
    for (size_t i = 0; i < image->nloads; i++) {
        const GElf_Phdr *load = &image->loads[i];
        if ((load->p_flags & PF_X) && vaddr >= load->p_vaddr &&
            vaddr - load->p_vaddr < load->p_memsz) {
            return true;
        }
    }
    return false;
}

void image_hex(const void *bits, size_t len, char id[IMAGE_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bits;
    size_t n = 0;
    for (size_t i = 0; i < len && n + 2 < IMAGE_ID_SIZE; i++) {
        id[n++] = digits[p[i] >> 4];
        id[n++] = digits[p[i] & 15];
    }
    id[n] = '\0';
}

int image_build_id(int fd, char id[IMAGE_ID_SIZE])
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    const void *bits;
    int error = -ENOEXEC;
    id[0] = '\0';
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        ssize_t len = dwelf_elf_gnu_build_id(elf, &bits);
        if (len > 0) {
            image_hex(bits, (size_t)len, id);
        }
        error = 0;
    }
    elf_end(elf);
    return error;
}
