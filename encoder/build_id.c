/* SPDX-License-Identifier: MIT
 *
 * See build_id.h. Program headers only: section headers are not loaded.
 */
#include "encoder/build_id.h"

#include "collectors/base/sys.h"

#include <elf.h>
#include <string.h>

enum {
    SEGMENTS_MAX = 64, /* of one object; common ones have 9 to 14 */
    NOTES_MAX = 64, /* of one segment; common ones hold 1 to 3. Ends the search in damaged data */
};

struct object {
    Elf64_Phdr segment[SEGMENTS_MAX];
    size_t segments;
    uintptr_t bias; /* address in memory minus p_vaddr */
};

static bool object_read(uintptr_t header, struct object *o)
{
    Elf64_Ehdr h;
    if (sys_read_memory(&h, header, sizeof h) != 0 || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
        h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(Elf64_Phdr)) {
        return false;
    }
    o->segments = h.e_phnum < SEGMENTS_MAX ? h.e_phnum : SEGMENTS_MAX;
    return sys_read_memory(o->segment, header + h.e_phoff, o->segments * sizeof(Elf64_Phdr)) == 0;
}

/* The segment with the file's first byte is mapped where the ELF header was found, from which the
 * bias follows. False: no segment holds that byte. */
static bool object_locate(uintptr_t header, struct object *o)
{
    for (size_t i = 0; i < o->segments; i++) {
        const Elf64_Phdr *p = &o->segment[i];
        if (p->p_type == PT_LOAD && p->p_offset < PAGE_BYTES) {
            o->bias = header - (p->p_vaddr - p->p_offset);
            return true;
        }
    }
    return false;
}

/* Whether the object maps that byte of its file at start. It does not if the mapping at start shows
 * the same file but belongs to no segment of the object, or if another object has taken the
 * object's place. */
static bool object_holds(const struct object *o, uintptr_t start, uint64_t offset)
{
    for (size_t i = 0; i < o->segments; i++) {
        const Elf64_Phdr *p = &o->segment[i];
        if (p->p_type == PT_LOAD && (p->p_offset & ~(PAGE_BYTES - 1)) <= offset &&
            offset < p->p_offset + p->p_filesz &&
            o->bias + p->p_vaddr - p->p_offset + offset == start) {
            return true;
        }
    }
    return false;
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static size_t segment_search(uintptr_t at, const Elf64_Phdr *p, unsigned char id[BUILD_ID_MAX])
{
    /* Notes are aligned to 4 bytes, in a segment that says so to 8. */
    uint64_t align = p->p_align == 8 ? 8 : 4;
    uint64_t pos = 0;
    for (int i = 0; i < NOTES_MAX && pos < p->p_filesz; i++) {
        struct {
            Elf64_Nhdr head;
            char name[4];
        } note;
        if (sys_read_memory(&note, at + pos, sizeof note) != 0) {
            return 0;
        }
        uint64_t desc = round_up(pos + sizeof note.head + note.head.n_namesz, align);
        if (note.head.n_type == NT_GNU_BUILD_ID && note.head.n_namesz == sizeof note.name &&
            memcmp(note.name, ELF_NOTE_GNU, sizeof note.name) == 0) {
            size_t n = note.head.n_descsz;
            bool ok = n > 0 && n <= BUILD_ID_MAX && sys_read_memory(id, at + desc, n) == 0;
            return ok ? n : 0;
        }
        pos = round_up(desc + note.head.n_descsz, align);
    }
    return 0;
}

size_t build_id_read(uintptr_t header, uintptr_t start, uint64_t offset,
                     unsigned char id[BUILD_ID_MAX])
{
    struct object o;
    if (!object_read(header, &o) || !object_locate(header, &o) ||
        !object_holds(&o, start, offset)) {
        return 0;
    }
    size_t n = 0;
    for (size_t i = 0; i < o.segments && n == 0; i++) {
        if (o.segment[i].p_type == PT_NOTE) {
            n = segment_search(o.bias + o.segment[i].p_vaddr, &o.segment[i], id);
        }
    }
    return n;
}

bool build_id_text_offset(uintptr_t header, uintptr_t start, uint64_t *offset)
{
    struct object o;
    if (!object_read(header, &o) || !object_locate(header, &o)) {
        return false;
    }
    for (size_t i = 0; i < o.segments; i++) {
        const Elf64_Phdr *p = &o.segment[i];
        uintptr_t first = (o.bias + p->p_vaddr) & ~(PAGE_BYTES - 1);
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && first <= start &&
            start < o.bias + p->p_vaddr + p->p_filesz) {
            *offset = start - (o.bias + p->p_vaddr) + p->p_offset;
            return true;
        }
    }
    return false;
}
