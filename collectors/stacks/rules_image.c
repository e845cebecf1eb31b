/* SPDX-License-Identifier: MIT
 *
 * See rules_image.h. Does what a dynamic linker does for one object (System V ABI, chapter 5): maps
 * the segments and applies the relocations. Every file offset and address is checked against the
 * image, because a damaged file must not crash the program. Takes no lock; its caller holds the
 * rules lock, or is the constructor.
 */
#include "collectors/stacks/rules_image.h"

#include "collectors/base/sys.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PHDRS_MAX = 24, IMAGE_MAX = 16 << 20 };

struct headers {
    ElfW(Ehdr) ehdr;
    ElfW(Phdr) phdr[PHDRS_MAX];
    size_t file_bytes;
};

static uintptr_t page_down(uintptr_t a)
{
    return a & ~(PAGE_BYTES - 1);
}

static uintptr_t page_up(uintptr_t a)
{
    return page_down(a + PAGE_BYTES - 1);
}

static int headers_read(struct headers *h, int fd)
{
    struct stat st;
    if (sys_call2(SYS_fstat, fd, &st) != 0 || st.st_size > IMAGE_MAX) {
        return -EFBIG;
    }
    h->file_bytes = (size_t)st.st_size;
    if (sys_call4(SYS_pread64, fd, &h->ehdr, sizeof h->ehdr, 0) != sizeof h->ehdr ||
        memcmp(h->ehdr.e_ident, ELFMAG "\2\1\1", SELFMAG + 3) != 0 ||
        h->ehdr.e_machine != ARCH_ELF_MACHINE || h->ehdr.e_type != ET_DYN ||
        h->ehdr.e_phentsize != sizeof h->phdr[0] || h->ehdr.e_phnum > PHDRS_MAX) {
        return -ENOEXEC;
    }
    long bytes = (long)(h->ehdr.e_phnum * sizeof h->phdr[0]);
    long got = sys_call4(SYS_pread64, fd, h->phdr, bytes, h->ehdr.e_phoff);
    return got == bytes ? 0 : -ENOEXEC;
}

/* Bytes from address 0 of the image to the end of its last segment's page; 0 = the headers are
 * wrong. */
static size_t span(const struct headers *h)
{
    size_t end = 0;
    for (int i = 0; i < h->ehdr.e_phnum; i++) {
        const ElfW(Phdr) *p = &h->phdr[i];
        if (p->p_type != PT_LOAD) {
            continue;
        }
        if (p->p_vaddr > IMAGE_MAX || p->p_memsz > IMAGE_MAX || p->p_filesz > p->p_memsz ||
            p->p_offset > h->file_bytes || p->p_filesz > h->file_bytes - p->p_offset ||
            (p->p_offset - p->p_vaddr) % PAGE_BYTES != 0) {
            return 0;
        }
        end = p->p_vaddr + p->p_memsz > end ? p->p_vaddr + p->p_memsz : end;
    }
    return page_up(end);
}

static bool map_at(char *at, size_t bytes, int prot, int flags, int fd, size_t offset)
{
    long got = sys_call6(SYS_mmap, (long)at, (long)bytes, prot, flags | MAP_PRIVATE | MAP_FIXED, fd,
                         (long)offset);
    return got == (long)at;
}

static bool segment_map(const struct image *image, const ElfW(Phdr) * p, int fd)
{
    int prot = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
               (p->p_flags & PF_X ? PROT_EXEC : 0);
    uintptr_t from = page_down(p->p_vaddr);
    uintptr_t file_end = p->p_vaddr + p->p_filesz;
    uintptr_t end = page_up(p->p_vaddr + p->p_memsz);
    uintptr_t mapped = page_up(file_end);
    if (mapped > from && !map_at(image->base + from, mapped - from, prot, 0, fd,
                                 p->p_offset - (p->p_vaddr - from))) {
        return false;
    }
    if (p->p_memsz > p->p_filesz) { /* the part that is not in the file is zero */
        memset(image->base + file_end, 0, mapped - file_end);
        if (end > mapped &&
            !map_at(image->base + mapped, end - mapped, prot, MAP_ANONYMOUS, -1, 0)) {
            return false;
        }
    }
    return true;
}

/* ---- relocation ---- */

struct dynamic {
    const ElfW(Rela) * rela, *jmprel;
    size_t rela_count, jmprel_count;
};

static bool inside(const struct image *image, uintptr_t at, size_t bytes)
{
    return at <= image->bytes && bytes <= image->bytes - at;
}

static int dynamic_read(struct image *image, const struct headers *h, struct dynamic *out)
{
    uintptr_t symbols = 0;
    uintptr_t strings = 0;
    size_t strings_bytes = 0;
    uintptr_t rela[2] = {0, 0};
    size_t rela_bytes[2] = {0, 0};
    const ElfW(Phdr) *p = h->phdr;
    while (p->p_type != PT_DYNAMIC) {
        if (++p == h->phdr + h->ehdr.e_phnum) {
            return -ENOEXEC;
        }
    }
    if (!inside(image, p->p_vaddr, p->p_memsz)) {
        return -ENOEXEC;
    }
    const ElfW(Dyn) *d = (const void *)(image->base + p->p_vaddr);
    for (const ElfW(Dyn) *end = d + p->p_memsz / sizeof *d; d < end && d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) {
        case DT_SYMTAB:
            symbols = d->d_un.d_ptr;
            break;
        case DT_STRTAB:
            strings = d->d_un.d_ptr;
            break;
        case DT_STRSZ:
            strings_bytes = d->d_un.d_val;
            break;
        case DT_RELA:
            rela[0] = d->d_un.d_ptr;
            break;
        case DT_RELASZ:
            rela_bytes[0] = d->d_un.d_val;
            break;
        case DT_JMPREL:
            rela[1] = d->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            rela_bytes[1] = d->d_un.d_val;
            break;
        case DT_RELRSZ: /* compact relocations, which distributions do not use for libunwind yet */
            return -ENOTSUP;
        default:
            break;
        }
    }
    /* The ABI gives no length of the symbol table; every linker puts the strings right behind it.
     */
    if (strings <= symbols || !inside(image, strings, strings_bytes) || strings_bytes == 0 ||
        image->base[strings + strings_bytes - 1] != '\0' ||
        !inside(image, rela[0], rela_bytes[0]) || !inside(image, rela[1], rela_bytes[1])) {
        return -ENOEXEC;
    }
    image->symbols = image->base + symbols;
    image->symbol_count = (strings - symbols) / sizeof(ElfW(Sym));
    image->strings = image->base + strings;
    *out = (struct dynamic){(const void *)(image->base + rela[0]),
                            (const void *)(image->base + rela[1]),
                            rela_bytes[0] / sizeof(ElfW(Rela)), rela_bytes[1] / sizeof(ElfW(Rela))};
    return 0;
}

struct binding {
    const struct import *imports;
    size_t n;
    void *otherwise;
};

static uintptr_t symbol_value(const struct image *image, size_t index, const struct binding *b)
{
    const ElfW(Sym) *symbol = (const ElfW(Sym) *)image->symbols + index;
    if (index >= image->symbol_count) {
        return (uintptr_t)b->otherwise;
    }
    if (symbol->st_shndx != SHN_UNDEF) {
        return (uintptr_t)image->base + symbol->st_value;
    }
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->imports[i].name, image->strings + symbol->st_name) == 0) {
            return (uintptr_t)b->imports[i].to;
        }
    }
    return (uintptr_t)b->otherwise;
}

static int relocate(const struct image *image, const ElfW(Rela) * r, size_t n,
                    const struct binding *b)
{
    for (const ElfW(Rela) *end = r + n; r < end; r++) {
        uintptr_t value;
        switch (arch_reloc_of(ELF64_R_TYPE(r->r_info))) {
        case ARCH_RELOC_BASE:
            value = (uintptr_t)image->base + (uintptr_t)r->r_addend;
            break;
        case ARCH_RELOC_SYMBOL:
            value = symbol_value(image, ELF64_R_SYM(r->r_info), b) + (uintptr_t)r->r_addend;
            break;
        case ARCH_RELOC_TLS: /* the __tls_get_addr import has one block for all of them */
            value = 0;
            break;
        default:
            return -ENOTSUP;
        }
        if (!inside(image, r->r_offset, sizeof value)) {
            return -ENOEXEC;
        }
        memcpy(image->base + r->r_offset, &value, sizeof value);
    }
    return 0;
}

/* ---- the whole object ---- */

static int image_fill(struct image *image, const struct headers *h, int fd, const struct binding *b)
{
    struct dynamic d;
    for (int i = 0; i < h->ehdr.e_phnum; i++) {
        if (h->phdr[i].p_type == PT_LOAD && !segment_map(image, &h->phdr[i], fd)) {
            return -ENOMEM;
        }
    }
    int err = dynamic_read(image, h, &d);
    err = err ? err : relocate(image, d.rela, d.rela_count, b);
    return err ? err : relocate(image, d.jmprel, d.jmprel_count, b);
}

int image_map(struct image *image, const char *path, const struct import *imports, size_t n,
              void *otherwise)
{
    struct headers h;
    struct binding b = {imports, n, otherwise};
    int fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    int err = headers_read(&h, fd);
    image->bytes = err ? 0 : span(&h);
    if (!err && image->bytes == 0) {
        err = -ENOEXEC;
    }
    if (!err) {
        image->base = sys_map(image->bytes);
        err = image->base ? image_fill(image, &h, fd, &b) : -ENOMEM;
        if (err) {
            sys_unmap(image->base, image->bytes);
        }
    }
    sys_close(fd);
    return err;
}

void *image_symbol(const struct image *image, const char *name)
{
    const ElfW(Sym) *symbol = image->symbols;
    for (size_t i = 0; i < image->symbol_count; i++, symbol++) {
        if (symbol->st_shndx != SHN_UNDEF && strcmp(image->strings + symbol->st_name, name) == 0) {
            return image->base + symbol->st_value;
        }
    }
    return NULL;
}
