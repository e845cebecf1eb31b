/* SPDX-License-Identifier: MIT
 *
 * Cuts units out of .dwp files; see dwp.h.
 *
 * The package's index says for each unit which part of each section belongs to it (DWARF 5, 7.3.5;
 * the GNU format before it has the same tables). An ELF file of those parts is a .dwo file, except
 * for the strings: all units share one section, so the strings that the unit's offsets refer to are
 * copied. That the package fits needs no other check: the 64-bit id is a hash of the unit.
 *
 * This program defines `open` itself, so libdw calls this file's function, which hands the made
 * file over.
 */
#include "encoder/symbolize/dwp.h"

#include "encoder/symbolize/grow.h"
#include "encoder/symbolize/locate.h"

#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Columns of the index. 2 is .debug_types.dwo, whose units have an index of their own; 7 and 8
 * moved with DWARF 5. */
enum { DWP_INFO = 1, DWP_ABBREV = 3, DWP_LINE, DWP_LOC, DWP_STR_OFFSETS, DWP_RNGLISTS = 8 };
enum { DWP_COLUMNS = 9 };

/* Sections of the .dwo made; the last two are .debug_str.dwo and the names of the sections. */
enum { DWO_SECTIONS = 1 + DWP_COLUMNS + 2 };
enum { DWO_STR = DWP_COLUMNS };
enum { DWO_NAMES = DWP_COLUMNS + 1 };

static const char *const dwp_names[2][DWP_COLUMNS + 1] = {
    {NULL, ".debug_info.dwo", NULL, ".debug_abbrev.dwo", ".debug_line.dwo", ".debug_loc.dwo",
     ".debug_str_offsets.dwo", NULL, NULL, ".debug_str.dwo"},
    {NULL, ".debug_info.dwo", NULL, ".debug_abbrev.dwo", ".debug_line.dwo", ".debug_loclists.dwo",
     ".debug_str_offsets.dwo", NULL, ".debug_rnglists.dwo", ".debug_str.dwo"}};

struct dwp {
    int fd;
    Elf *elf;
    uint16_t machine; /* the package's e_machine */
    bool five;        /* DWARF 5's format */
    Elf_Data *section[DWP_COLUMNS + 1];
    const uint8_t *ids, *rows, *columns, *offsets, *sizes;
    uint32_t ncolumns, nunits, nslots;
};

/* One section of the .dwo file that is made. */
struct dwo_piece {
    const void *data;
    size_t size;
};

static struct dwp *wanted;
static uint64_t wanted_id;

static uint32_t dwp_u32(const uint8_t *p, size_t i)
{
    uint32_t value;
    memcpy(&value, p + i * sizeof value, sizeof value);
    return value;
}

static Elf_Data *dwp_section(Elf *elf, const char *wanted_name)
{
    Elf_Scn *section = NULL;
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0) {
        return NULL;
    }
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *name =
            gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (!name || strcmp(name, wanted_name) != 0) {
            continue;
        }
        if ((header.sh_flags & SHF_COMPRESSED) && elf_compress(section, 0, 0) < 0) {
            return NULL;
        }
        return elf_getdata(section, NULL);
    }
    return NULL;
}

static bool dwp_read_index(struct dwp *dwp)
{
    Elf_Data *data = dwp_section(dwp->elf, ".debug_cu_index");
    const uint8_t *p = data ? data->d_buf : NULL;
    if (!p || data->d_size < 16) {
        return false;
    }
    dwp->five = (dwp_u32(p, 0) & 0xffff) == 5;
    dwp->ncolumns = dwp_u32(p, 1);
    dwp->nunits = dwp_u32(p, 2);
    dwp->nslots = dwp_u32(p, 3);
    uint64_t cells = (uint64_t)dwp->ncolumns * dwp->nunits;
    if ((!dwp->five && dwp_u32(p, 0) != 2) || dwp->ncolumns > DWP_COLUMNS ||
        16 + (uint64_t)dwp->nslots * 12 + (dwp->ncolumns + 2 * cells) * 4 > data->d_size) {
        return false;
    }
    dwp->ids = p + 16;
    dwp->rows = dwp->ids + (size_t)dwp->nslots * 8;
    dwp->columns = dwp->rows + (size_t)dwp->nslots * 4;
    dwp->offsets = dwp->columns + (size_t)dwp->ncolumns * 4;
    dwp->sizes = dwp->offsets + (size_t)cells * 4;
    for (int i = 0; i <= DWP_COLUMNS; i++) {
        if (dwp_names[dwp->five][i]) {
            dwp->section[i] = dwp_section(dwp->elf, dwp_names[dwp->five][i]);
        }
    }
    return true;
}

static struct dwp *dwp_open(int fd)
{
    struct dwp *dwp = calloc(1, sizeof *dwp);
    GElf_Ehdr ehdr;
    if (dwp) {
        dwp->fd = fd;
        dwp->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
        if (dwp->elf && gelf_getehdr(dwp->elf, &ehdr) && ehdr.e_ident[EI_DATA] == ELFDATA2LSB &&
            dwp_read_index(dwp)) {
            dwp->machine = ehdr.e_machine;
            return dwp;
        }
        elf_end(dwp->elf);
        free(dwp);
    }
    close(fd);
    return NULL;
}

static struct dwp *dwp_beside(const char *root, const char *file)
{
    char path[2 * PATH_MAX];
    if (!file) {
        return NULL;
    }
    snprintf(path, sizeof path, "%s%s.dwp", root, file);
    int fd = locate_regular(path);
    return fd >= 0 ? dwp_open(fd) : NULL;
}

struct dwp *dwp_find(const struct module *module, Dwfl_Module *mod)
{
    char path[PATH_MAX], root[64] = "";
    const char *main_file = NULL, *debug_file = NULL;
    locate_path(module, path);
    if (module->pid > 0) {
        snprintf(root, sizeof root, "/proc/%d/root", (int)module->pid);
    }
    dwfl_module_info(mod, NULL, NULL, NULL, NULL, NULL, &main_file, &debug_file);
    struct dwp *dwp = dwp_beside(root, path);
    dwp = dwp ? dwp : dwp_beside("", path);
    return dwp ? dwp : dwp_beside("", debug_file);
}

void dwp_free(struct dwp *dwp)
{
    if (!dwp) {
        return;
    }
    dwp_want(NULL, 0);
    elf_end(dwp->elf);
    close(dwp->fd);
    free(dwp);
}

void dwp_want(struct dwp *dwp, uint64_t id)
{
    wanted = dwp;
    wanted_id = id;
}

/* The unit's row in the tables, from 1; 0: the unit is not in the package. */
static uint32_t dwp_row(const struct dwp *dwp, uint64_t id)
{
    for (uint32_t i = 0; i < dwp->nslots; i++) {
        uint64_t at;
        memcpy(&at, dwp->ids + (size_t)i * 8, sizeof at);
        uint32_t row = dwp_u32(dwp->rows, i);
        if (at == id && row > 0 && row <= dwp->nunits) {
            return row;
        }
    }
    return 0;
}

static void dwp_cut(const struct dwp *dwp, uint32_t row, struct dwo_piece *pieces)
{
    for (uint32_t i = 0; i < dwp->ncolumns; i++) {
        uint32_t column = dwp_u32(dwp->columns, i);
        size_t cell = (size_t)(row - 1) * dwp->ncolumns + i;
        uint32_t offset = dwp_u32(dwp->offsets, cell), size = dwp_u32(dwp->sizes, cell);
        const Elf_Data *data = column < DWP_COLUMNS ? dwp->section[column] : NULL;
        if (data && data->d_buf && offset <= data->d_size && size <= data->d_size - offset) {
            pieces[column] = (struct dwo_piece){(const char *)data->d_buf + offset, size};
        }
    }
}

/* Copies the unit's strings into a section of their own, *bytes, and makes *offsets, the offset
 * table for it. Both are malloc'ed. In DWARF 5 the offsets follow a header of 8 bytes (64-bit DWARF
 * is not supported). 0 or -errno; *bytes and *offsets are to be freed either way. */
static int dwp_strings(const struct dwp *dwp, struct dwo_piece *pieces, char **bytes,
                       char **offsets)
{
    const Elf_Data *all = dwp->section[DWO_STR];
    struct dwo_piece *table = &pieces[DWP_STR_OFFSETS];
    size_t head = dwp->five ? 8 : 0, len = 0, cap = 0;
    *bytes = NULL;
    *offsets = malloc(table->size + 1);
    if (!*offsets || !all || !all->d_buf || all->d_size == 0) {
        return *offsets ? -ENOENT : -ENOMEM;
    }
    memcpy(*offsets, table->data ? table->data : "", table->size);
    for (size_t at = head; at + 4 <= table->size; at += 4) {
        uint32_t from = dwp_u32((const uint8_t *)*offsets + at, 0), to = (uint32_t)len;
        const char *text = from < all->d_size ? (const char *)all->d_buf + from : "";
        size_t n = strnlen(text, from < all->d_size ? all->d_size - from : 0);
        if (grow_array(bytes, &cap, len + n + 1, sizeof **bytes) || !*bytes) {
            return -ENOMEM;
        }
        memcpy(*bytes + len, text, n);
        (*bytes)[len + n] = '\0';
        len += n + 1;
        memcpy(*offsets + at, &to, sizeof to);
    }
    table->data = *offsets;
    pieces[DWO_STR] = (struct dwo_piece){*bytes, len};
    return 0;
}

/* Makes a memory file with those sections: an ELF relocatable file. A descriptor or -1. */
static int dwo_write(const struct dwp *dwp, struct dwo_piece *pieces)
{
    Elf64_Ehdr head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_REL,
                       .e_machine = dwp->machine,
                       .e_version = EV_CURRENT,
                       .e_shoff = sizeof head,
                       .e_ehsize = sizeof head,
                       .e_shentsize = sizeof(Elf64_Shdr),
                       .e_shnum = DWO_SECTIONS - 1,
                       .e_shstrndx = DWO_NAMES};
    Elf64_Shdr sections[DWO_SECTIONS - 1] = {{0}};
    char names[256] = "";
    size_t named = 1, at = sizeof head + sizeof sections;
    int fd = memfd_create("dwo", MFD_CLOEXEC);
    bool ok = fd >= 0;
    for (int i = 1; i < DWO_SECTIONS - 1; i++) {
        const char *name = i == DWO_NAMES ? ".shstrtab" : dwp_names[dwp->five][i];
        sections[i].sh_type = i == DWO_NAMES ? SHT_STRTAB : SHT_PROGBITS;
        sections[i].sh_addralign = 1;
        sections[i].sh_name = name ? (Elf64_Word)named : 0;
        if (name) {
            named += (size_t)snprintf(names + named, sizeof names - named, "%s", name) + 1;
        }
        if (i == DWO_NAMES) {
            pieces[i] = (struct dwo_piece){names, named};
        }
        sections[i].sh_offset = at;
        sections[i].sh_size = pieces[i].size;
        ok = ok && pwrite(fd, pieces[i].data, pieces[i].size, (off_t)at) == (ssize_t)pieces[i].size;
        at += pieces[i].size;
    }
    ok = ok && pwrite(fd, &head, sizeof head, 0) == sizeof head &&
         pwrite(fd, sections, sizeof sections, sizeof head) == sizeof sections;
    if (ok) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static int dwp_extract(const struct dwp *dwp, uint64_t id)
{
    struct dwo_piece pieces[DWO_SECTIONS] = {{0}};
    char *bytes = NULL, *offsets = NULL;
    uint32_t row = dwp_row(dwp, id);
    int fd = -1;
    if (row == 0) {
        return -1;
    }
    dwp_cut(dwp, row, pieces);
    if (dwp_strings(dwp, pieces, &bytes, &offsets) == 0) {
        fd = dwo_write(dwp, pieces);
    }
    free(bytes);
    free(offsets);
    return fd;
}

/* In place of libc's open, for all callers in this program. libdw opens .dwo files by it. */
int open(const char *path, int flags, ...)
{
    va_list args;
    struct dwp *dwp = wanted;
    va_start(args, flags);
    int mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(args, int) : 0;
    va_end(args);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 || errno != ENOENT || !dwp) {
        return fd;
    }
    wanted = NULL; /* or an open below would come here again */
    fd = dwp_extract(dwp, wanted_id);
    if (fd < 0) {
        errno = ENOENT;
    }
    return fd;
}
