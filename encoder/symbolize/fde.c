/* SPDX-License-Identifier: MIT
 *
 * See fde.h. Linkers put a table into .eh_frame_hdr, sorted by the functions' starts, which is
 * searched in the file itself: an address costs some 20 steps in a file of a million functions, and
 * nothing is loaded. A file without the table, or with one of a form that no linker writes, has its
 * .eh_frame read once.
 */
#include "encoder/symbolize/fde.h"

#include "encoder/symbolize/grow.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <endian.h>
#include <string.h>

enum { ROW = 8 };              /* bytes of a row of the table: two numbers of 32 bits */
enum { FORMAT = 0x0f };        /* of a pointer's encoding: how many bytes */
enum { OMITTED = 0xff };       /* encoding: there is no such pointer */
enum { RELATIVE_ROWS = 0x3b }; /* datarel, sdata4: the only form of the table that linkers write */
enum { RELATIVE_FRAMES = 0x1b }; /* pcrel, sdata4: that of the address of .eh_frame */

/* What is needed to read the numbers of a file. */
struct form {
    bool big;       /* big-endian */
    unsigned bytes; /* of an address */
};

static struct form form_of(const char *ident)
{
    return (struct form){.big = ident[EI_DATA] == ELFDATA2MSB,
                         .bytes = ident[EI_CLASS] == ELFCLASS32 ? 4 : 8};
}

static uint32_t read_32(struct form form, const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return form.big ? be32toh(v) : le32toh(v);
}

/* The bytes that a pointer of that encoding takes; 0: it has no fixed size. */
static unsigned encoded_bytes(struct form form, uint8_t encoding)
{
    switch (encoding & FORMAT) {
    case DW_EH_PE_absptr:
        return form.bytes;
    case DW_EH_PE_udata2:
    case DW_EH_PE_sdata2:
        return 2;
    case DW_EH_PE_udata4:
    case DW_EH_PE_sdata4:
        return 4;
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        return 8;
    default:
        return 0;
    }
}

/* A number of that encoding's format, its sign extended. */
static uint64_t encoded_number(struct form form, uint8_t encoding, const uint8_t *at)
{
    unsigned n = encoded_bytes(form, encoding);
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)at[form.big ? n - 1 - i : i] << (8 * i);
    }
    uint64_t sign = n < 8 && (encoding & DW_EH_PE_signed) ? UINT64_C(1) << (8 * n - 1) : 0;
    return (v ^ sign) - sign;
}

/* ---- an entry ---- */

/* The encoding of the addresses in the FDEs of that CIE. */
static uint8_t cie_encoding(struct form form, const Dwarf_CIE *cie)
{
    const char *letter = cie->augmentation;
    const uint8_t *at = cie->augmentation_data;
    const uint8_t *end = at ? at + cie->augmentation_data_size : at;
    if (!letter || *letter != 'z') {
        return DW_EH_PE_absptr;
    }
    for (letter++; *letter && at && at < end; letter++) {
        switch (*letter) {
        case 'R':
            return *at;
        case 'L':
            at++;
            break;
        case 'P': /* the personality routine: its encoding, and a pointer */
            if ((*at & 0x70) == DW_EH_PE_aligned || encoded_bytes(form, *at) == 0) {
                return OMITTED;
            }
            at += 1 + encoded_bytes(form, *at);
            break;
        case 'S':
        case 'B':
        case 'G':
            break;
        default:
            return OMITTED;
        }
    }
    return DW_EH_PE_absptr;
}

/* Reads the entry at an offset of the frame information. False: it is no FDE, or of a form that is
 * not known; *next is the offset of the entry behind it, or -1. */
static bool fde_read(const struct fdes *fdes, const char *ident, Dwarf_Off offset, Dwarf_Off *next,
                     struct fde *fde)
{
    Dwarf_CFI_Entry entry, cie;
    Dwarf_Off behind;
    const unsigned char *id = (const unsigned char *)ident;
    struct form form = form_of(ident);
    *next = (Dwarf_Off)-1;
    if (dwarf_next_cfi(id, fdes->frames, true, offset, next, &entry) != 0 ||
        dwarf_cfi_cie_p(&entry) ||
        dwarf_next_cfi(id, fdes->frames, true, entry.fde.CIE_pointer, &behind, &cie) != 0 ||
        !dwarf_cfi_cie_p(&cie)) {
        return false;
    }
    uint8_t encoding = cie_encoding(form, &cie.cie);
    unsigned bytes = encoded_bytes(form, encoding);
    size_t room = (size_t)(entry.fde.end - entry.fde.start);
    uint8_t base = encoding & 0xf0;
    if (encoding == OMITTED || bytes == 0 || room < 2 * (size_t)bytes ||
        (base != DW_EH_PE_absptr && base != DW_EH_PE_pcrel)) {
        return false;
    }
    uint64_t start = encoded_number(form, encoding, entry.fde.start);
    if (base == DW_EH_PE_pcrel) {
        start +=
            fdes->frames_at + (uint64_t)(entry.fde.start - (const uint8_t *)fdes->frames->d_buf);
    }
    uint64_t length =
        encoded_number(form, encoding & FORMAT & ~DW_EH_PE_signed, entry.fde.start + bytes);
    if (form.bytes == 4) {
        start = (uint32_t)start;
    }
    *fde = (struct fde){.start = start, .end = start + length};
    return length > 0 && fde->end > start;
}

/* ---- all of them ---- */

static int fde_order(const void *a, const void *b)
{
    const struct fde *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void fdes_load(struct fdes *fdes, const char *ident)
{
    Dwarf_Off next;
    struct fde fde;
    for (Dwarf_Off offset = 0; offset != (Dwarf_Off)-1; offset = next) {
        if (!fde_read(fdes, ident, offset, &next, &fde)) {
            continue;
        }
        if (grow_array(&fdes->all, &fdes->all_cap, fdes->nall + 1, sizeof *fdes->all)) {
            return;
        }
        fdes->all[fdes->nall++] = fde;
    }
    if (fdes->nall) {
        qsort(fdes->all, fdes->nall, sizeof *fdes->all, fde_order);
    }
}

/* The address of .eh_frame by the section headers; 0: there is none. */
static uint64_t frames_section(Elf *elf)
{
    size_t names;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return 0;
    }
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *name =
            gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (name && strcmp(name, ".eh_frame") == 0) {
            return header.sh_type == SHT_NOBITS ? 0 : header.sh_addr;
        }
    }
    return 0;
}

/* Reads .eh_frame_hdr: a version, three encodings, the address of .eh_frame, the number of rows,
 * and the rows. */
static void header_read(struct fdes *fdes, Elf *elf, const struct image *image, struct form form)
{
    enum {
        VERSION = 0,
        OF_FRAMES = 1,
        OF_COUNT = 2,
        OF_ROWS = 3,
        FRAMES = 4,
        COUNT = 8,
        ROWS = 12
    };
    size_t len = 0;
    const uint8_t *at =
        image->frame_header ? image_bytes(image, elf, image->frame_header, &len) : NULL;
    if (!at || len < ROWS || at[VERSION] != 1 || at[OF_FRAMES] != RELATIVE_FRAMES) {
        return;
    }
    fdes->frames_at =
        image->frame_header + FRAMES + encoded_number(form, at[OF_FRAMES], at + FRAMES);
    if (at[OF_COUNT] == DW_EH_PE_udata4 && at[OF_ROWS] == RELATIVE_ROWS) {
        size_t n = read_32(form, at + COUNT);
        fdes->nrows = n < (len - ROWS) / ROW ? n : (len - ROWS) / ROW;
        fdes->rows = fdes->nrows ? at + ROWS : NULL;
    }
}

static void fdes_open(struct fdes *fdes, Elf *elf, const struct image *image, const char *ident)
{
    size_t len = 0, size;
    fdes->opened = true;
    header_read(fdes, elf, image, form_of(ident));
    if (!fdes->frames_at) {
        fdes->frames_at = frames_section(elf);
    }
    const uint8_t *at = fdes->frames_at ? image_bytes(image, elf, fdes->frames_at, &len) : NULL;
    if (at) {
        const char *raw = elf_rawfile(elf, &size);
        fdes->frames = elf_getdata_rawchunk(elf, (const char *)at - raw, len, ELF_T_BYTE);
    }
    if (fdes->frames && !fdes->rows) {
        fdes_load(fdes, ident);
    }
}

void fdes_free(struct fdes *fdes)
{
    free(fdes->all);
    memset(fdes, 0, sizeof *fdes);
}

/* ---- one of them ---- */

/* The number of a row: of its function's start (0), or of its FDE (1), from the header on. */
static uint64_t row_address(const struct fdes *fdes, struct form form, const struct image *image,
                            size_t row, unsigned number)
{
    const uint8_t *at = fdes->rows + row * ROW + (size_t)number * (ROW / 2);
    uint64_t address = image->frame_header + encoded_number(form, RELATIVE_ROWS, at);
    return form.bytes == 4 ? (uint32_t)address : address;
}

bool fde_find(struct fdes *fdes, Elf *elf, const struct image *image, uint64_t vaddr,
              struct fde *fde)
{
    const char *ident = elf_getident(elf, NULL);
    if (!ident) {
        return false;
    }
    if (!fdes->opened) {
        fdes_open(fdes, elf, image, ident);
    }
    struct form form = form_of(ident);
    size_t low = 0, high = fdes->rows ? fdes->nrows : fdes->nall;
    while (low < high) { /* the first one that begins behind the address */
        size_t mid = low + (high - low) / 2;
        uint64_t start = fdes->rows ? row_address(fdes, form, image, mid, 0) : fdes->all[mid].start;
        if (start <= vaddr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0 || !fdes->frames) {
        return false;
    }
    if (!fdes->rows) {
        *fde = fdes->all[low - 1];
        return true;
    }
    Dwarf_Off next, offset = row_address(fdes, form, image, low - 1, 1) - fdes->frames_at;
    return fde_read(fdes, ident, offset, &next, fde) && fde->start <= vaddr;
}
